"""What is a measurement, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from mmada.utils import (
    check_not_negative,
    known_losses,
    known_metric,
    latest_losses,
    measured,
)

NAN, INF = math.nan, math.inf


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


LOSSES = vector(2.0, 0.0, -0.0, NAN, INF, -INF, -3.0, 1e-9)
KNOWN = [2.0, NAN, NAN, NAN, NAN, NAN, -3.0, 1e-9]


def test_zero_and_what_is_not_finite_are_no_measurements() -> None:
    assert measured(LOSSES).tolist() == [k == k for k in KNOWN]
    assert known_losses(LOSSES).tolist() == pytest.approx(KNOWN, nan_ok=True)


def test_the_last_known_loss_stands_in() -> None:
    found, before = vector(1.0, 0.0, NAN, INF), vector(5.0, 6.0, NAN, 8.0)
    assert latest_losses(found, before).tolist() == pytest.approx(
        [1, 6, NAN, 8], nan_ok=True
    )
    assert latest_losses(found, None).tolist() == pytest.approx(
        [1, NAN, NAN, NAN], nan_ok=True
    )


def test_a_negative_loss_is_named_with_its_value() -> None:
    check_not_negative(vector(1.0, 0.0, NAN, -INF), 'abcd', 'Mine')
    message = "not be negative for Mine, .* Found -4.851 of 'b', -2 of 'c'. "
    with pytest.raises(ValueError, match=message):
        check_not_negative(vector(1.0, -4.8512, -2.0), 'abc', 'Mine')
    with pytest.raises(ValueError, match='Found -2 of objective 1'):
        check_not_negative(vector(1.0, -2.0), (), 'Mine')


@pytest.mark.parametrize(
    'key',
    [
        'coco/bbox_mAP',
        'coco/segm_mAP_l',
        'coco/AR@100',
        'coco/AR_s@1000',
        'lvis/bbox_AP',
        'lvis/bbox_APs',
        'mAP',
    ],
)
def test_minus_one_of_coco_is_no_value(key: str) -> None:
    assert math.isnan(known_metric(key, -1))
    assert known_metric(key, 0.25) == 0.25
    assert known_metric(key, 0) == 0


@pytest.mark.parametrize(
    'key', ['toy/score', 'nds/mATE', 'ARI', 'coco_panoptic/PQ', 'MAPE']
)
def test_minus_one_of_another_metric_is_a_value(key: str) -> None:
    assert known_metric(key, -1) == -1
