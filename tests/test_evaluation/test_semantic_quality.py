"""The six metrics against scikit-learn's, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    jaccard_score,
    recall_score,
)

from mmada.evaluation import SemanticCounts, count_semantic, semantic_quality

from .label_maps import label_map


def quality(truth, predicted, num_classes, **options):
    counts = SemanticCounts(*count_semantic(truth, predicted, num_classes))
    return semantic_quality(counts, **options)


@given(st.integers(0, 10**6), st.integers(2, 12), st.booleans())
def test_area_metrics_are_scikit_learns(seed, num_classes, ignore) -> None:
    truth = label_map(seed, num_classes)
    predicted = label_map(seed + 1, num_classes)
    if ignore:
        truth[:5] = num_classes
    found = quality(truth, predicted, num_classes)
    kept = truth < num_classes
    y, z = truth[kept].numpy(), predicted[kept].numpy()
    classes = np.union1d(y, z)
    assert found['mIoU'] == pytest.approx(
        jaccard_score(y, z, average='macro', labels=classes, zero_division=0)
    )
    assert found['FWIoU'] == pytest.approx(
        jaccard_score(
            y, z, average='weighted', labels=classes, zero_division=0
        )
    )
    assert found['mAcc'] == pytest.approx(
        recall_score(y, z, average='macro', labels=np.unique(y))
    )
    assert found['gAcc'] == pytest.approx(accuracy_score(y, z))
    theirs = quality(truth, predicted, num_classes, classes_of='ground_truth')
    assert theirs['mIoU'] == pytest.approx(
        jaccard_score(y, z, average='macro', labels=np.unique(y))
    )


def binary_map(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.float()[None]


@given(st.integers(0, 10**6), st.integers(2, 4))
def test_boundary_metrics_are_those_of_dilated_maps(seed, num_classes) -> None:
    """Each class for itself, with pools; scores are scikit-learn's."""
    truth = label_map(seed, num_classes, (20, 24), 8)
    predicted = label_map(seed + 1, num_classes, (20, 24), 8)
    true, found, scores = {}, {}, []
    pool = torch.nn.functional
    for c in range(num_classes):
        for labels, edges in ((truth, true), (predicted, found)):
            own = binary_map(labels == c)
            mean = pool.avg_pool2d(own, 3, 1, 1, count_include_pad=False)
            edges[c] = (mean != own) * own
    near = {
        name: {c: pool.max_pool2d(e, 11, 1, 5) for c, e in edges.items()}
        for name, edges in (('true', true), ('found', found))
    }
    for c in range(num_classes):
        if not true[c].any():
            continue
        right = (found[c] * near['true'][c]).sum()
        precision = right / found[c].sum() if found[c].any() else 0.0
        recall = (true[c] * near['found'][c]).sum() / true[c].sum()
        total = float(precision + recall)
        scores.append(2 * float(precision * recall) / total if total else 0)
    assume(scores)
    ours = quality(truth, predicted, num_classes)
    assert ours['BF1'] == pytest.approx(np.mean(scores), abs=1e-6)
    trimap = torch.stack(list(near['true'].values())).amax(0)[0].bool()
    y, z = truth[trimap].numpy(), predicted[trimap].numpy()
    classes = np.union1d(y, z)
    assert ours['BIoU'] == pytest.approx(
        jaccard_score(y, z, average='macro', labels=classes, zero_division=0)
    )


def test_with_tolerance_zero_bf1_is_the_f1_score_of_edges() -> None:
    truth = torch.zeros(16, 16, dtype=torch.int64)
    truth[4:12, 4:12] = 1
    predicted = torch.zeros_like(truth)
    predicted[4:12, 5:12] = 1
    counts = SemanticCounts(*count_semantic(truth, predicted, 2, 0))
    ring, shifted = torch.zeros(2, 16, 16)
    ring[4:12, 4:12], shifted[4:12, 5:12] = 1, 1
    ring[5:11, 5:11], shifted[5:11, 6:11] = 0, 0
    expected = f1_score(ring.flatten(), shifted.flatten())
    found = semantic_quality(counts, background=0)
    assert found['BF1'] == pytest.approx(expected)


def test_values_by_hand() -> None:
    # Of class 0: 2 of 4 pixels found; of class 1: all 4, and 2 too many.
    truth = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])
    predicted = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1]])
    found = quality(truth, predicted, 2)
    assert found == pytest.approx(
        dict(
            mIoU=(2 / 4 + 4 / 6) / 2,
            FWIoU=(2 / 4 + 4 / 6) / 2,
            mAcc=(2 / 4 + 1) / 2,
            gAcc=6 / 8,
            BIoU=(2 / 4 + 4 / 6) / 2,
            BF1=1.0,
        )
    )


def test_absent_classes_are_left_out() -> None:
    truth = torch.tensor([[0, 0, 0, 1, 1, 1]])
    predicted = torch.tensor([[0, 0, 0, 1, 1, 2]])
    few = quality(truth, predicted, 3)
    many = quality(truth, predicted, 9)
    assert few == many
    # Class 2 is not in the truth: a zero in mIoU, nothing elsewhere.
    assert few['mIoU'] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert few['mAcc'] == pytest.approx((1 + 2 / 3) / 2)
    assert few['FWIoU'] == pytest.approx((1 + 2 / 3) / 2)
    assert few['BF1'] == pytest.approx(1)
    fixed = quality(truth, predicted, 3, classes_of='ground_truth')
    assert fixed['mIoU'] == pytest.approx((1 + 2 / 3) / 2)
    assert fixed['BIoU'] == pytest.approx((1 + 2 / 3) / 2)


def test_edges_that_are_not_found_score_zero() -> None:
    truth = torch.zeros(20, 40, dtype=torch.int64)
    truth[:, 30:] = 1
    found = quality(truth, torch.zeros_like(truth), 2)
    assert found['BF1'] == 0
    far = torch.zeros_like(truth)
    far[:, 5:] = 1
    assert quality(truth, far, 2)['BF1'] == 0


def test_bf1_leaves_the_background_out() -> None:
    truth = torch.zeros(20, 40, dtype=torch.int64)
    truth[8:12, 18:22], truth[0:2, 0:2] = 1, 2
    predicted = torch.zeros_like(truth)
    predicted[8:12, 18:22] = 1
    found = [
        quality(truth, predicted, 3, background=b)['BF1'] for b in (None, 0)
    ]
    # Class 1 is right, class 2 missed; the background is in between.
    assert found[1] == pytest.approx(1 / 2)
    assert 1 / 2 < found[0] < 2 / 3


def test_nothing_to_average_is_nan() -> None:
    whole = torch.zeros(6, 6, dtype=torch.int64)
    found = quality(whole, whole, 3)
    assert found['mIoU'] == found['gAcc'] == found['FWIoU'] == 1
    assert math.isnan(found['BF1']) and math.isnan(found['BIoU'])
    nothing = quality(whole + 3, whole, 3)
    assert all(map(math.isnan, nothing.values()))


def test_large_counts_are_exact() -> None:
    rows = torch.full((10, 2), 2**40 + 1, dtype=torch.int64)
    rows[8:] = 2**39
    found = semantic_quality(SemanticCounts(*rows))
    assert found['mIoU'] == found['gAcc'] == 1
    assert found['BF1'] == pytest.approx(2**39 / (2**40 + 1), rel=1e-14)
