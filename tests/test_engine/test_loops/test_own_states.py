"""Replicas that go on from their own states, start anew, or rest."""

import json
import math
import signal

import pytest
import torch

from mmada.engine.exploration.start_states import FromOwn
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.replicas.live_replica import digest, loaded
from mmada.engine.state.state_files import (
    load_state,
    stored_parts,
    stored_steps,
)
from tests.support import processes, toy
from tests.test_engine.test_loops import planned
from tests.test_engine.test_loops import test_faults as faults
from tests.test_engine.test_loops import (  # registers TableController
    test_parallel_exploration_loop as loop,
)

ONES, OTHER = [1.0, 1.0], [3.0, 0.5]
PLANS = ['nnne', 'oope', 'npon', 'oepo']
LONG = pytest.mark.faults
TABLE = [ONES, OTHER, [0.5, 2.0], [2.0, 1.0]]
SEARCH = dict(plans=PLANS, table=TABLE)


def explore(work_dir, plans, table, **options):
    runner = toy.runner(
        work_dir,
        model=dict(toy.MODEL, detector=dict(type='FaultyDetector')),
        train_cfg=planned.exploration(plans, table, **options),
    )
    runner.train()
    return runner


def scores(work_dir):
    """Returns the metric of each replica, by round; None without one."""
    return [
        [m.get('toy/score') for m in record['metrics']]
        for record in faults.history(work_dir)
    ]


def states(work_dir):
    """Returns the newest state, all of it in memory."""
    root = work_dir / 'exploration/states'
    step = stored_steps(root)[0]
    state = ExplorationState.from_payload(
        load_state(root, step), stored_parts(root, step)
    )
    state.map_snapshots(loaded)
    return vars(state)


def test_a_replica_alone_makes_a_plain_training(tmp_path):
    """The same data and schedule as rounds that pass the best one on."""
    explore(tmp_path / 'own', ['n', 'o', 'o'], [OTHER])
    loop.explore(
        tmp_path / 'best',
        controller=dict(type='TableController', table=[OTHER]),
    )
    assert scores(tmp_path / 'own') == scores(tmp_path / 'best')
    own = states(tmp_path / 'own')['own'][0]
    best = states(tmp_path / 'best')['start']
    assert own['rounds'] == 3
    toy.assert_same_state(own['snapshot']['parameters'], best['parameters'])
    # The rate of the last of 9 iterations of one cosine.
    (group,) = own['snapshot']['optimizer']['param_groups'][:1]
    rate = 0.05 * (1 + math.cos(8 * math.pi / 9)) / 2
    assert group['lr'] == pytest.approx(rate)


def test_who_starts_later_or_pauses_sees_what_the_first_saw(tmp_path):
    plans = ['nenn', 'onop', 'ooop', 'eoeo', 'eeeo']
    explore(tmp_path, plans, [OTHER] * 3 + [ONES])
    found = list(zip(*scores(tmp_path), strict=True))
    whole = found[0][:3]
    assert len(set(whole)) == 3
    assert found[1][1:4] == found[2][:3] == whole
    assert found[1][0] is found[1][4] is None

    explore(tmp_path / 'ones', ['n', 'o', 'o'], [ONES])
    (plain,) = zip(*scores(tmp_path / 'ones'), strict=True)
    assert (found[3][0], *found[3][3:]) == plain
    assert found[3][1:3] == (None, None)


def test_a_new_candidate_takes_nothing_over(tmp_path):
    explore(tmp_path, ['n', 'o', 'n'], [OTHER])
    first, second, third = scores(tmp_path)
    assert first == third != second


def test_who_rests_costs_nothing(tmp_path):
    """A call for the probe, three for the pseudo epoch and a segment."""
    runner = explore(tmp_path, PLANS, TABLE)
    trained = sum(plan.count('n') + plan.count('o') for plan in PLANS)
    assert trained == 10
    assert runner.model.count == 1 + 3 * (1 + trained)
    told = runner.train_loop.controller.told
    rests = [[entry in 'pe' for entry in plan] for plan in PLANS]
    assert [[math.isnan(v) for v in row] for row in told] == rests


def test_the_record_says_who_rested_and_how_old_each_is(tmp_path):
    runner = explore(tmp_path, PLANS, TABLE)
    records = faults.history(tmp_path)
    assert records[1]['plan'] == ['own', 'own', 'paused', 'empty']
    assert [record['ages'] for record in records] == [
        [1, 1, 1, 0],
        [2, 2, 1, 0],
        [1, 2, 2, 1],
        [2, 0, 2, 2],
    ]
    assert (runner.iter, runner.max_iters) == (0, 9)
    assert not (tmp_path / 'explored.pth').exists()
    (log,) = tmp_path.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert 'exploration/reward.replica2' not in rows[1]
    assert 'exploration/reward.replica1' in rows[1]


def test_only_states_that_are_needed_are_kept(tmp_path):
    explore(tmp_path, PLANS, TABLE)
    kept = states(tmp_path)
    assert sorted(kept['own']) == [0, 2, 3]
    assert kept['best'] is None


def test_a_diverged_replica_harms_no_other_and_has_no_state(tmp_path):
    table = [ONES, [1e30, 1e30]]
    with pytest.raises(ValueError, match=r'replicas \[2\] without'):
        explore(tmp_path, ['nn', 'oo'], table)
    assert scores(tmp_path)[0][1] is None
    explore(tmp_path / 'other', ['nn', 'oe'], table)
    explore(tmp_path / 'alone', ['n', 'o'], [ONES])
    found = scores(tmp_path / 'other')
    assert [row[:1] for row in found] == scores(tmp_path / 'alone')


@pytest.mark.parametrize('plan', ['ee', 'bn', 'n', 'pn'])
def test_a_plan_that_cannot_be_followed_is_refused(tmp_path, plan):
    with pytest.raises(ValueError, match='The plan of a round'):
        explore(tmp_path, [plan], [ONES, OTHER])


def test_a_search_may_end_before_its_rounds_do(tmp_path):
    runner = explore(tmp_path, ['n', 'o'], [ONES], num_rounds=5, over=2)
    assert len(scores(tmp_path)) == 2
    assert (tmp_path / 'policy.safetensors').exists()
    assert runner.model.count == 1 + 3 * 3


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole')
    processes.run(planned.explore, 1, work_dir, **SEARCH)
    return work_dir


def assert_same_run(first, second):
    files = 'exploration/history.jsonl', 'policy.safetensors'
    for name in files:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    for replica, own in states(first)['own'].items():
        other = states(second)['own'][replica]
        assert own['rounds'] == other['rounds']
        toy.assert_same_state(
            own['snapshot']['parameters'], other['snapshot']['parameters']
        )


def test_the_number_of_ranks_changes_no_bit(whole, tmp_path):
    processes.run(planned.explore, 2, tmp_path, **SEARCH)
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize(
    ('world_size', 'place'),
    [
        (1, 'explore.after_broadcast:5'),
        (2, 'explore.after_broadcast:4'),
        pytest.param(1, 'explore.after_proposal:2', marks=LONG),
        pytest.param(1, 'state.before_delete:7', marks=LONG),
        pytest.param(2, 'explore.after_observation:3', marks=LONG),
    ],
)
def test_killed_and_resumed_gives_the_same_bits(
    whole, tmp_path, world_size, place
):
    codes, outputs = processes.finish(
        processes.start(
            planned.explore,
            world_size,
            tmp_path,
            only=(0, dict(MMADA_FAILPOINT=place)),
            **SEARCH,
        )
    )
    assert codes[0] == -signal.SIGKILL, outputs
    processes.run(planned.explore, 1, tmp_path, **SEARCH)
    assert_same_run(whole, tmp_path)


def test_a_segment_that_is_done_again_changes_no_bit(whole, tmp_path):
    """Call 1 is the probe's, 2 to 4 are the pseudo epoch's."""
    runner = toy.runner(
        tmp_path,
        model=dict(
            toy.MODEL,
            detector=dict(type='FaultyDetector', calls=[16], change='raising'),
        ),
        train_cfg=planned.exploration(PLANS, TABLE),
    )
    runner.train()
    assert runner.model.count == 1 + 3 * (1 + 10 + 1)
    assert faults.history(whole) == faults.history(tmp_path)


def test_the_order_in_which_replicas_end_leaves_no_trace():
    own = {k: dict(snapshot=dict(a=torch.ones(2) * k)) for k in range(3)}
    found = set()
    for order in ((0, 1, 2), (2, 0, 1)):
        state = ExplorationState(dict(), torch.ones(2), None, dict())
        state.own = {k: own[k] for k in order}
        found.add(digest(FromOwn().passed_on(state)))
    assert len(found) == 1
