"""A search by BOHB on the toy problem, with the real Runner."""

import pytest

from mmada.engine import load_policy
from tests.support import processes, toy
from tests.test_engine.test_loops import explore_worker
from tests.test_engine.test_loops import test_faults as faults
from tests.test_engine.test_loops.test_ranks import explore

BOHB = dict(
    type='BohbSearch',
    num_replicas=3,
    rounds_per_training=4,
    reduction_factor=2,
)
OPTIONS = dict(num_rounds=6, controller=BOHB)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Runner and work directory of a search that nobody disturbed."""
    work_dir = tmp_path_factory.mktemp('whole')
    runner = toy.runner(
        work_dir,
        model=dict(toy.MODEL, detector=dict(type='FaultyDetector')),
        train_cfg=toy.exploration(**OPTIONS),
    )
    runner.train()
    return runner, work_dir


def test_only_what_trains_is_paid_for(whole):
    """A call for the probe, three for the pseudo epoch and a segment."""
    runner, work_dir = whole
    records = faults.history(work_dir)
    trained = [
        entry in ('initial', 'own')
        for record in records
        for entry in record['plan']
    ]
    assert 0 < trained.count(True) < len(trained)
    segments = trained.count(True)
    assert runner.model.count == 1 + 3 * (1 + segments)
    candidates = runner.train_loop.controller.candidates
    assert sum(c.age for c in candidates) == segments
    assert runner.max_iters == 4 * 3


def test_the_policy_is_the_best_of_the_oldest(whole):
    runner, work_dir = whole
    candidates = runner.train_loop.controller.candidates
    best = max(
        (c for c in candidates if c.age == 4), key=lambda c: c.values[3]
    )
    policy = load_policy(work_dir / 'policy.safetensors', ('a', 'b'))
    mean = sum(best.point) / 2
    assert policy.best_weights.tolist() == [x / mean for x in best.point]
    last = [r['metrics'] for r in faults.history(work_dir)]
    assert best.values[3] in [m.get('toy/score') for r in last for m in r]


@pytest.mark.parametrize(
    ('world_size', 'place'),
    [
        (1, 'explore.after_observation:3'),
        pytest.param(2, 'explore.after_broadcast:6', marks=pytest.mark.faults),
    ],
)
def test_killed_and_resumed_on_two_ranks_gives_the_same_bits(
    whole, tmp_path, world_size, place
):
    processes.finish(
        processes.start(
            explore_worker.explore,
            world_size,
            tmp_path,
            only=(0, dict(MMADA_FAILPOINT=place)),
            **OPTIONS,
        )
    )
    assert not (tmp_path / 'policy.safetensors').exists()
    explore(tmp_path, 2, **OPTIONS)
    assert faults.history(whole[1]) == faults.history(tmp_path)
    policies = [d / 'policy.safetensors' for d in (whole[1], tmp_path)]
    assert policies[0].read_bytes() == policies[1].read_bytes()
