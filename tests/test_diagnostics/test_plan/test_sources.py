"""A plan against the run that follows it."""

import copy

import pytest
from mmengine.config import Config
from torch.nn.modules.module import register_module_full_backward_hook

from mmada.diagnostics.plan import make_bill, read_plan
from mmada.engine.state.state_files import stored_steps
from tests.support import processes, toy
from tests.test_diagnostics.test_plan import planned

PAPER = dict(type='AdaSegment', preset='paper', num_replicas=2)
BOHB = dict(
    type='BohbSearch',
    num_replicas=3,
    rounds_per_training=2,
    reduction_factor=2,
)
CASES = {
    'search': planned.config(controller=PAPER, num_rounds=2),
    'with training': planned.then_train(
        planned.config(controller=PAPER, num_rounds=2)
    ),
    'own states': planned.config(controller=BOHB, num_rounds=4),
    'static': planned.config(
        controller=dict(type='RandomSearch', num_replicas=2), num_rounds=2
    ),
}


@pytest.fixture(scope='module', params=CASES)
def case(request, tmp_path_factory):
    """A plan for one GPU, what was counted, and the work directory."""
    cfg = CASES[request.param]
    searches, training, _ = read_plan(copy.deepcopy(cfg), probe=False)
    work_dir = tmp_path_factory.mktemp('run') / 'work'
    counted = planned.run(copy.deepcopy(cfg), work_dir)
    bill = make_bill(searches, training, 1, None)
    return searches, bill, counted, work_dir


def test_counts_are_those_of_the_run(case):
    _, bill, counted, _ = case
    assert bill.iterations == pytest.approx(counted[0], rel=0.05)
    assert bill.images == pytest.approx(counted[1], rel=0.05)


def test_what_is_stored_is_what_the_run_leaves(case):
    _, bill, _, work_dir = case
    assert bill.disk_left == pytest.approx(planned.stored(work_dir), rel=0.05)


def test_waves_and_commits_are_those_of_the_run(case):
    (search,), bill, _, work_dir = case
    newest = stored_steps(work_dir / 'exploration/states')[0]
    assert newest in [len(p.commits) for p in search.on(1)]
    # The first state, each wave, and the end of each round.
    assert newest == pytest.approx(1 + bill.waves + search.rounds, rel=0.05)


def test_two_ranks_play_the_waves_of_the_plan(tmp_path):
    options = dict(controller=dict(PAPER, num_replicas=3), num_rounds=2)
    (search,), _, _ = read_plan(planned.config(**options), probe=False)
    processes.run(planned.search_on_ranks, 2, tmp_path, **options)
    # The first state, two waves a round, and the end of each round.
    (newest, _) = stored_steps(tmp_path / 'exploration/states')
    assert newest == 1 + 2 * 2 + 2 == len(search.on(2)[0].commits)
    assert make_bill([search], None, 2, None).waves == 4


def test_no_step_is_done_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = planned.PlannedDetector.steps
    found = read_plan(copy.deepcopy(CASES['with training']), probe=False)
    assert planned.PlannedDetector.steps == before
    assert found[2] is None
    *_, rates = read_plan(copy.deepcopy(CASES['with training']), probe=True)
    assert planned.PlannedDetector.steps == before + 4
    assert min(rates) > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings('ignore:.*backward hook')
def test_gradients_are_taken_only_where_the_model_is_trained():
    found = []
    hook = register_module_full_backward_hook(lambda *_: found.append(1))
    try:
        read_plan(copy.deepcopy(CASES['static']), probe=False)
        assert not found
        read_plan(copy.deepcopy(CASES['static']), probe=True)
        assert found
    finally:
        hook.remove()


def test_ranks_and_a_database_of_the_config_are_only_planned(tmp_path):
    database = f'sqlite:///{tmp_path}/trials.db'
    cfg = planned.config(
        controller=dict(BOHB, storage=database), ranks_per_replica=2
    )
    (search,), _, _ = read_plan(cfg, probe=False)
    assert search.ranks_per_replica == 2
    assert list(tmp_path.iterdir()) == []
    bills = [make_bill([search], None, gpus, None) for gpus in (1, 4)]
    assert '`ranks_per_replica` should be 1 to 1' in bills[0].problem
    assert bills[1].groups == ((2, 2),)


def test_several_searches_are_added_up():
    cfg = planned.then_train(planned.config(controller=PAPER, num_rounds=2))
    first = cfg.train_cfg.exploration
    second = dict(first, directory='second', num_rounds=1)
    cfg.train_cfg.exploration = [first, second]
    searches, training, _ = read_plan(cfg, probe=False)
    assert [(s.name, s.rounds) for s in searches] == [
        ('exploration', 2),
        ('second', 1),
    ]
    bills = [make_bill(s, training, 1, None) for s in (searches, searches[:1])]
    # A look, a pseudo epoch and a round of two replicas, of 3 iterations.
    assert bills[0].iterations - bills[1].iterations == 1 + 3 * 3


def test_schedules_that_the_training_would_not_step_are_refused():
    cfg = planned.then_train(planned.config(controller=PAPER))
    cfg.train_cfg.training = dict(type='IterBasedTrainLoop', max_iters=3)
    cfg.param_scheduler = [dict(type='MultiStepLR', milestones=[1])]
    with pytest.raises(ValueError, match='Found MultiStepLR of epochs'):
        read_plan(cfg, probe=False)
    cfg.param_scheduler[0].by_epoch = False
    assert read_plan(cfg, probe=False)[0]


def test_a_training_without_a_search_needs_no_plan():
    cfg = Config(dict(train_cfg=dict(type='EpochBasedTrainLoop')))
    with pytest.raises(ValueError, match="Found 'EpochBasedTrainLoop'"):
        read_plan(cfg, probe=False)
    with pytest.raises(ValueError, match='Found None'):
        read_plan(Config(dict(model=toy.MODEL)), probe=False)
