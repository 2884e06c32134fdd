"""Rivals and controls in real rounds of a small problem."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import TASK_UTILS

from mmada.controllers import AdaSegment, WeightController
from mmada.engine import ShuffledRewards, load_policy
from mmada.utils.seeding import derive_seed
from tests.support import toy

# Of two objectives, in two rounds of two replicas.
CONTROLLERS: dict[str, dict[str, Any]] = dict(
    pbt=dict(type='PopulationTraining', num_replicas=2),
    am_lfs=dict(type='AmLfs', num_replicas=2),
    random_weights=dict(type='RandomWeights', num_replicas=2),
    shuffled_rewards=dict(
        type='ShuffledRewards',
        controller=dict(type='AdaSegment', num_replicas=2),
    ),
    grid=dict(
        type='GridSearch',
        num_replicas=2,
        groups=[[0], [1]],
        values=[[1.0, 2.0], [0.5, 4.0]],
    ),
    random=dict(type='RandomSearch', num_replicas=2),
)
PASSED_ON = ('pbt', 'am_lfs', 'random_weights', 'shuffled_rewards')


def explore(work_dir: Path, name: str, resume: bool = False) -> Any:
    runner = toy.runner(
        work_dir,
        train_cfg=toy.exploration(num_rounds=2, controller=CONTROLLERS[name]),
        resume=resume,
    )
    runner.train()
    return runner


def history(work_dir: Path) -> list[dict[str, Any]]:
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def scores(record: dict[str, Any]) -> list[float]:
    return [metrics['toy/score'] for metrics in record['metrics']]


@pytest.mark.parametrize('name', CONTROLLERS)
def test_two_rounds_leave_a_policy(tmp_path: Path, name: str) -> None:
    explore(tmp_path, name)
    records = history(tmp_path)
    assert [len(record['weights']) for record in records] == [2, 2]
    for record in records:
        values = scores(record)
        assert record['best'] == values.index(max(values))
    ensemble = load_policy(tmp_path / 'policy.safetensors', ('a', 'b'))
    passed_on = name in PASSED_ON
    assert ensemble.num_rounds == (2 if passed_on else 1)
    assert (tmp_path / 'explored.pth').exists() == passed_on
    if passed_on:
        winner = records[-1]
    else:
        winner = max(records, key=lambda record: max(scores(record)))
    found = ensemble.best_weights.tolist()
    assert found == winner['weights'][winner['best']]


def test_a_population_goes_on_from_the_winner(tmp_path: Path) -> None:
    explore(tmp_path, 'pbt')
    first, second = history(tmp_path)
    assert first['weights'][0] == [1, 1]
    assert second['weights'][0] == first['weights'][first['best']]
    assert second['reference'] == max(scores(first))


def test_every_point_of_a_grid_is_tried_from_the_start(tmp_path: Path) -> None:
    runner = explore(tmp_path, 'grid')
    first, second = history(tmp_path)
    assert first['weights'] + second['weights'] == [
        [1.0, 0.5],
        [1.0, 4.0],
        [2.0, 0.5],
        [2.0, 4.0],
    ]
    assert second['reference'] == first['reference']
    assert runner.train_loop.max_iters == 3  # one epoch, whatever the rounds


def test_a_grid_that_does_not_fit_says_so(tmp_path: Path) -> None:
    config = toy.exploration(num_rounds=3, controller=CONTROLLERS['grid'])
    with pytest.raises(ValueError, match='number of points, 4.*3 times 2'):
        toy.runner(tmp_path, train_cfg=config).train()


def build(**config: Any) -> WeightController:
    return TASK_UTILS.build(
        config, default_args=dict(num_objectives=2, num_rounds=3, seed=5)
    )


def test_shuffled_rewards_begin_as_the_search_that_they_wrap() -> None:
    controller = build(**CONTROLLERS['shuffled_rewards'])
    plain = AdaSegment(2, 3, num_replicas=2, seed=5)
    losses = torch.tensor([0.3, 0.7])
    assert isinstance(controller, ShuffledRewards)
    assert torch.equal(controller.propose(losses), plain.propose(losses))
    controller.observe(torch.tensor([1.0, 2.0]), None)
    provenance = controller.ensemble().provenance
    assert provenance['controller'] == 'AdaSegment'
    assert provenance['shuffle_seed'] == derive_seed(5, 'shuffled rewards')


def test_rewards_are_shuffled_by_the_seed_of_the_run() -> None:
    orders = Counter()
    for seed in range(40):
        controller = ShuffledRewards(
            dict(type='AmLfs', num_replicas=2),
            seed,
            num_objectives=2,
            num_rounds=1,
        )
        controller.propose(torch.ones(2))
        rewards = controller.observe(torch.tensor([1.0, 2.0]), None).rewards
        orders[rewards.argmax().item()] += 1
    assert set(orders) == {0, 1} and min(orders.values()) > 8


@pytest.mark.parametrize('controller', [None, 'AdaSegment', dict(num=3)])
def test_shuffled_rewards_need_a_config(controller: Any) -> None:
    with pytest.raises(ValueError, match='`controller` of ShuffledRewards'):
        build(type='ShuffledRewards', controller=controller)


def test_shuffled_rewards_refuse_a_search_of_whole_trainings() -> None:
    with pytest.raises(ValueError, match='`controller`.*RandomSearch'):
        build(type='ShuffledRewards', controller=CONTROLLERS['random'])


def test_an_interrupted_control_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = 'shuffled_rewards'
    explore(tmp_path / 'whole', name)

    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    original = ShuffledRewards.observe
    calls: list[int] = []

    def observe(self: Any, *args: Any) -> Any:
        calls.append(1)
        return (interrupt if len(calls) == 2 else original)(self, *args)

    monkeypatch.setattr(ShuffledRewards, 'observe', observe)
    with pytest.raises(KeyboardInterrupt):
        explore(tmp_path / 'parts', name)
    explore(tmp_path / 'parts', name, resume=True)
    assert history(tmp_path / 'parts') == history(tmp_path / 'whole')
    files = [
        tmp_path / part / 'policy.safetensors' for part in ('whole', 'parts')
    ]
    assert files[0].read_bytes() == files[1].read_bytes()
