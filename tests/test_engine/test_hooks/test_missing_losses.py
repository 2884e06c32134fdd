"""Losses that are no measurements, in whole trainings."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import MODELS

from tests.support import toy

PROBE, PSEUDO = 1, 3  # forward passes before the training


@MODELS.register_module()
class TargetlessDetector(toy.ToyDetector):
    """Its `loss_b` is a constant in the listed forward passes."""

    transient_attributes = ('count',)  # counts over the whole run

    def __init__(self, calls: tuple[int, ...], value: float) -> None:
        super().__init__()
        self.calls, self.value, self.count = set(calls), value, 0

    def forward(self, x: Any, y: Any, mode: str = 'tensor') -> Any:
        losses = super().forward(x, y, mode)
        if mode == 'loss':
            self.count += 1
            if self.count in self.calls:
                part = losses['loss_b'][0]
                losses['loss_b'] = part.sum() * 0 + self.value
        return losses


def train(
    work_dir: Path, hook: dict[str, Any], calls: Any, value: float = 0.0
) -> list[dict[str, Any]]:
    detector = dict(type='TargetlessDetector', calls=list(calls), value=value)
    runner = toy.runner(
        work_dir,
        model=dict(toy.MODEL, detector=detector),
        custom_hooks=[hook],
        log_level='WARNING',
    )
    runner.train()
    lines = (work_dir / 'weights.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def period(kind: str, **options: Any) -> dict[str, Any]:
    return dict(type='LossWeightingHook', weighting=dict(type=kind, **options))


def log_of(work_dir: Path) -> str:
    (path,) = work_dir.glob('*/*.log')
    return path.read_text()


def test_an_objective_without_targets_counts_as_a_usual_one(
    tmp_path: Path,
) -> None:
    hook = period('InverseLossWeighting')
    found = train(tmp_path, hook, range(PROBE + 1, 99))
    assert [row['weights'] for row in found] == [pytest.approx([1, 1])] * 3
    assert all(row['losses'][1] is None for row in found)
    assert log_of(tmp_path).count("'b' had no loss in a whole period") == 1


def test_the_last_known_loss_stands_in(tmp_path: Path) -> None:
    first = PROBE + PSEUDO + 1
    hook = period('InverseLossWeighting')
    one, two, three = train(tmp_path, hook, range(first, first + 3))
    assert one['losses'][1] == two['losses'][1] != three['losses'][1]
    inverse = torch.tensor([1 / loss for loss in two['losses']])
    assert two['weights'] == pytest.approx((inverse / inverse.mean()).tolist())


@pytest.mark.parametrize('value', [0.0, math.inf])
def test_a_single_iteration_leaves_the_mean_of_its_period(
    tmp_path: Path, value: float
) -> None:
    static = period('StaticWeighting', weights=[1.0, 1.0])
    _, second, _ = train(tmp_path, static, [PROBE + 2], value)
    assert 0 < second['losses'][1] < math.inf
    step = dict(
        type='StepWeightingHook', weighting=dict(type='UncertaintyWeighting')
    )
    first, _, _ = train(tmp_path / 'step', step, [PROBE + 2], value)
    assert 0 < first['losses'][1] < math.inf
    assert 'had no loss' not in log_of(tmp_path / 'step')


def test_weights_by_gradients_go_on_without_a_loss(tmp_path: Path) -> None:
    hook = dict(type='GradientWeightingHook', weighting=dict(type='GradNorm'))
    rows = train(tmp_path, hook, range(PROBE + 1, 99))
    assert [row['weights'] for row in rows] == [[1, 1]] * 3
    assert all(row['losses'][1] is None for row in rows)
    assert "'b' had no loss in a whole period" in log_of(tmp_path)


@pytest.mark.parametrize(
    'kind', ['DynamicWeightAverage', 'InverseLossWeighting']
)
def test_a_negative_loss_is_named_in_its_first_iteration(
    tmp_path: Path, kind: str
) -> None:
    first = PROBE + 1 + (PSEUDO if kind == 'InverseLossWeighting' else 0)
    with pytest.raises(
        ValueError, match=f"not be negative for {kind}.*Found -5 of 'b'"
    ):
        train(tmp_path, period(kind), [first], -5.0)
    # MMEngine writes a checkpoint after each epoch.
    assert not list(tmp_path.glob('epoch_*.pth'))


def test_a_static_weighting_takes_negative_losses(tmp_path: Path) -> None:
    hook = period('StaticWeighting', weights=[1.0, 2.0])
    rows = train(tmp_path, hook, range(PROBE + 1, 99), -5.0)
    assert rows[-1]['losses'][1] == -5
