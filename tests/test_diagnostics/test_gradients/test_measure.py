"""Measured on a config, against autograd and values by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import nn

from mmada.diagnostics.gradients import measure_gradients
from mmada.diagnostics.gradients.measure import GradientSums
from tests.support import toy


@MODELS.register_module()
class PullingModel(BaseModel):
    """Gradients (3, 4), (-5, 0) and (0, 0.02) of the trunk, for any batch."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Parameter(torch.ones(2))
        self.head = nn.Parameter(torch.ones(1))

    def forward(self, x: Any, y: Any, mode: str = 'tensor') -> dict[str, Any]:
        first, second = self.trunk
        return dict(
            loss_a=3 * first + 4 * second,
            loss_b=10 - 5 * first + 0 * second + 7 * self.head.sum(),
            loss_c=0.02 * second + 0 * first,
        )


def write(folder: Path, **options: Any) -> Path:
    path = folder / 'config.py'
    config = dict(
        custom_imports=dict(imports=[__name__]),
        default_scope='mmengine',
        model=dict(type='PullingModel'),
        train_dataloader=toy.dataloader(),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
    )
    Config({**config, **options}).dump(path)
    return path


def test_a_stock_config_by_hand(tmp_path: Path) -> None:
    """It has neither a hook nor a constructor of mmada."""
    found = measure_gradients(write(tmp_path), num_batches=3)
    assert found.names == ('loss_a', 'loss_b', 'loss_c')
    assert (found.num_parameters, found.size) == (1, 2)  # not the head
    assert found.losses.tolist() == pytest.approx([7, 12, 0.02])
    assert found.norms.tolist() == pytest.approx([5, 5, 0.02])
    assert found.shares.tolist() == pytest.approx(
        [5 / 10.02, 5 / 10.02, 0.02 / 10.02]
    )
    expected = [[1, -0.6, 0.8], [-0.6, 1, 0], [0.8, 0, 1]]
    torch.testing.assert_close(
        found.cosines, torch.tensor(expected, dtype=torch.float64)
    )
    size = math.hypot(2, 4.02)
    assert found.with_sum.tolist() == pytest.approx(
        [(-6 + 16.08) / 5 / size, 2 / size, 4.02 / size]
    )
    assert found.noise.tolist() == pytest.approx([0, 0, 0], abs=1e-3)
    assert found.batch_cosines.shape == (3, 3, 3)


@pytest.mark.parametrize(
    'options',
    [
        dict(
            custom_hooks=[
                dict(
                    type='StepWeightingHook',
                    weighting=dict(type='UncertaintyWeighting'),
                    objectives=dict(ab='loss_[ab]', c='loss_c'),
                )
            ]
        ),
        dict(
            train_cfg=dict(
                type='ExploreThenTrainLoop',
                exploration=dict(
                    target=dict(objectives=dict(ab='loss_[ab]', c='loss_c'))
                ),
            )
        ),
        dict(
            model=dict(
                type='LossWeightWrapper',
                objectives=dict(ab='loss_[ab]', c='loss_c'),
                detector=dict(type='PullingModel'),
            )
        ),
    ],
    ids=['hook', 'search', 'wrapper'],
)
def test_the_objectives_of_a_config_are_used(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    found = measure_gradients(write(tmp_path, **options), num_batches=2)
    assert found.names == ('ab', 'c')
    assert found.norms.tolist() == pytest.approx([math.hypot(2, 4), 0.02])


def test_batches_of_a_detector_against_autograd(tmp_path: Path) -> None:
    """A checkpoint is loaded, and each batch looked at once."""
    runner = toy.runner(
        tmp_path / 'run',
        model=toy.SMOOTH['detector'],
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05)),
    )
    runner.train()
    path = write(
        tmp_path,
        model=toy.SMOOTH['detector'],
        train_dataloader=toy.dataloader(shuffle=False),
    )
    found = measure_gradients(path, str(tmp_path / 'run/epoch_3.pth'), 3)
    model, data = runner.model, toy.ToyDataset()
    trunk = list(model.trunk.parameters())
    rows = []
    for first in (0, 4, 8):
        x, y = data.x[first : first + 4], data.y[first : first + 4]
        losses = model(x, y, mode='loss')
        for name in ('loss_rpn', 'loss_a', 'loss_b'):
            loss = losses[name]
            loss = sum(e.mean() for e in loss) if name == 'loss_b' else loss
            parts = torch.autograd.grad(loss, trunk, retain_graph=True)
            rows.append(torch.cat([part.flatten() for part in parts]))
    batches = torch.stack(rows).double().reshape(3, 3, -1)
    assert found.names == ('loss_rpn', 'loss_a', 'loss_b')
    torch.testing.assert_close(
        found.norms, batches.square().sum(-1).mean(0).sqrt()
    )
    mean = batches.mean(0)
    variance = (batches - mean).square().sum(-1).sum(0) / 2
    torch.testing.assert_close(
        found.noise,
        (variance / mean.square().sum(-1)).sqrt(),
        rtol=1e-4,
        atol=1e-5,
    )
    pair = torch.cosine_similarity(batches[1, 0], batches[1, 2], dim=0)
    assert found.batch_cosines[1, 0, 2] == pytest.approx(float(pair))


def test_a_loss_without_targets_has_no_gradient() -> None:
    """One of exactly 0, and one that is absent from a batch."""
    trunk = nn.Parameter(torch.ones(2))
    sums = GradientSums([trunk], 3)
    first, second = trunk
    sums.add({0: 3 * first + 4 * second, 1: 0 * first})
    sums.add({0: 3 * first + 4 * second, 1: 2 * first + 0 * second})
    found = sums.summary('abc')
    assert found.losses[:2].tolist() == [7, 2]
    assert found.norms[:2].tolist() == [5, 2]
    assert found.noise[0] == pytest.approx(0, abs=1e-3)
    for values in (found.losses, found.norms, found.shares, found.noise):
        assert values[2].isnan()
    assert found.noise[1].isnan()  # a single batch
    assert found.cosines[0, 1] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(train_dataloader=None), 'Found no `train_dataloader`'),
        (
            dict(
                custom_hooks=[
                    dict(type='X', objectives=dict(all='loss_[abc]'))
                ]
            ),
            '`objectives` should be at least two.*Found all',
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure_gradients(write(tmp_path, **options))
