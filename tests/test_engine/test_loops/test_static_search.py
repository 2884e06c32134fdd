"""Searches of static weights whose trainings take several rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmada.engine import load_policy
from tests.support import toy
from tests.test_engine.test_loops.test_faults import history

NAN = float('nan')
RANDOM = dict(
    type='RandomSearch',
    num_replicas=2,
    rounds_per_training=2,
    initial='inverse_loss',
    control=True,
)


def explore(work_dir: Path, *rounds: tuple[float, ...], **options: Any) -> Any:
    """Explore with given metrics of the replicas that train, by round."""
    values = [0.0, 0.0, *(value for row in rounds for value in row)]
    runner = toy.runner(
        work_dir,
        train_cfg=toy.exploration(
            reward_evaluator=dict(type='ListedMetric', values=values),
            **(dict(num_rounds=6, controller=RANDOM) | options),
        ),
        log_level='WARNING',
    )
    runner.train()
    return runner


def log(work_dir: Path) -> str:
    return ''.join(p.read_text() for p in sorted(work_dir.rglob('*.log')))


def test_trainings_that_all_fail_end_the_search(tmp_path: Path) -> None:
    rounds = [(1.0, 2.0), (4.0, 3.0), (9.0, 9.0), (NAN, NAN)]
    explore(tmp_path, *rounds)
    records = history(tmp_path)
    assert [record['ages'] for record in records] == [[1, 1], [2, 2], [1, 1]]
    policy = load_policy(tmp_path / 'policy.safetensors', ('a', 'b'))
    assert policy.best_weights.tolist() == records[1]['weights'][0]
    assert not policy.nothing_learned
    text = log(tmp_path)
    assert 'No replica of round 4 has a reward; the search ends' in text
    assert 'tried again' not in text


def test_first_trainings_that_all_fail_stop_the_run(tmp_path: Path) -> None:
    rounds = [(1.0, 2.0), *[(NAN, NAN)] * 3]
    with pytest.raises(RuntimeError, match='All replicas of round 2 had no'):
        explore(tmp_path, *rounds)
    assert 'No replica of round 2 has a reward; it is tried' in log(tmp_path)


def test_the_rates_of_a_schedule_are_those_of_one_training(
    tmp_path: Path,
) -> None:
    runner = explore(tmp_path, *[(1.0, 2.0)] * 4, num_rounds=5)
    assert runner.max_iters == 6  # two rounds of three
    assert len(history(tmp_path)) == 4  # a third training does not fit
