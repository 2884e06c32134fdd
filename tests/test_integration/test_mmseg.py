"""A search and a retraining with MMSegmentation, on a few scenes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmada.models import AutoSegLoss
from mmada.surrogates import identity_points, load_curve
from mmada.surrogates.metrics import find_surrogate
from tests.support.mmseg_scope import mmseg_scope

pytestmark = pytest.mark.slow

__all__ = ['mmseg_scope']

TINY = Path(__file__).resolve().parents[2] / 'configs/asl/scenes/tiny.py'
COUNT = itertools.count()

Build = Callable[..., Runner]


@pytest.fixture
def build(
    scenes: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    mmseg_scope: None,
) -> Build:
    """Returns a function that makes a Runner of the tiny config."""
    monkeypatch.setenv('MMADA_SCENES', f'{scenes}/')
    torch.set_num_threads(1)

    def make(name: str, loss: dict[str, Any] | None, **options: Any) -> Runner:
        config = Config.fromfile(TINY)
        if loss:
            config.model.decode_head.loss_decode = dict(
                type='AutoSegLoss', **loss
            )
        config.train_dataloader.batch_size = 4
        config.work_dir = str(tmp_path / name)
        config.experiment_name = f'mmseg{next(COUNT)}'
        config.visualizer.name = config.experiment_name
        config.log_level = 'ERROR'
        for key, value in options.items():
            config[key] = value
        return Runner.from_cfg(config)

    return make


def search(
    reward: dict[str, Any], metric: str, **options: Any
) -> dict[str, Any]:
    return dict(
        type='ParallelExplorationLoop',
        num_rounds=2,
        iters_per_round=3,
        # With baseline 'mu' the first replica tries the mean.
        controller=dict(
            type='AutoSegLossSearch', num_replicas=3, baseline='mu'
        )
        | options,
        target=dict(type='SurrogatePoints'),
        reward_metric=f'semantic/{metric}',
        **reward,
    )


@pytest.fixture
def reward(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv('MMADA_SCENES', f'{scenes}/')
    config = Config.fromfile(TINY)
    return dict(
        reward_dataloader=config.reward_dataloader,
        reward_evaluator=config.reward_evaluator,
    )


def history(work_dir: Path) -> list[dict[str, Any]]:
    (path,) = work_dir.glob('exploration/*.jsonl')
    return [json.loads(line) for line in path.read_text().splitlines()]


def points_of(runner: Runner) -> Tensor:
    (loss,) = (m for m in runner.model.modules() if isinstance(m, AutoSegLoss))
    return loss.shape


@pytest.mark.parametrize('metric', ['mIoU', 'BF1'])
def test_a_curve_is_searched_and_trained_with(
    build: Build, reward: dict[str, Any], tmp_path: Path, metric: str
) -> None:
    # Without the mean among the actions, what is found is never the identity.
    loop = search(reward, metric, baseline='mean')
    explored = build('search', dict(metric=metric), train_cfg=loop)
    explored.train()
    records = history(tmp_path / 'search')
    assert [len(record['actions']) for record in records] == [3, 3]
    scores = [
        metrics[f'semantic/{metric}']
        for record in records
        for metrics in record['metrics']
    ]
    assert all(0 < score < 100 for score in scores)
    assert len(set(scores)) > 1

    path = tmp_path / 'search/curve.json'
    stored = load_curve(path)
    shape = find_surrogate(metric).shape
    points = torch.tensor(stored.points, dtype=torch.float64)
    assert stored.metric == metric
    assert points.numel() == shape.num_parameters
    assert not torch.equal(points, identity_points(shape).flatten())

    runner = build(
        'retrain',
        dict(metric=metric, theta=str(path)),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=4, val_interval=4),
    )
    runner.train()
    assert torch.equal(points_of(runner).flatten(), points)
    scalars = runner.message_hub.log_scalars
    assert 0 < scalars['train/decode.loss_asl'].current() < 1
    assert 0 < scalars[f'val/semantic/{metric}'].current() < 100


def test_an_action_is_what_the_replica_trains_with(
    build: Build,
    reward: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[float, ...]] = []
    forward = AutoSegLoss.forward

    def spy(self: AutoSegLoss, *args: Any, **kwargs: Any) -> Tensor:
        seen.append(tuple(self.shape.flatten().tolist()))
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(AutoSegLoss, 'forward', spy)
    loop = search(reward, 'mAcc', retrain=False)
    build('run', dict(metric='mAcc'), train_cfg=loop).train()
    replicas = seen[-18:]  # before them, what the search looks at first
    assert [len(set(replicas[i : i + 3])) for i in range(0, 18, 3)] == [1] * 6
    assert len(set(replicas)) == 6
    identity = identity_points(find_surrogate('mAcc').shape)
    first = torch.tensor(replicas[0], dtype=torch.float64)
    torch.testing.assert_close(first, identity.flatten().double())


def test_the_tiny_network_learns_on_cross_entropy(build: Build) -> None:
    runner = build(
        'plain',
        None,
        train_cfg=dict(
            type='IterBasedTrainLoop', max_iters=30, val_interval=30
        ),
    )
    runner.train()
    losses = runner.message_hub.log_scalars['train/decode.loss_ce'].data[0]
    assert len(losses) == 30
    assert losses[-5:].mean() < 0.8 * losses[:5].mean()
    assert runner.test()['semantic/gAcc'] > 100 / 8
