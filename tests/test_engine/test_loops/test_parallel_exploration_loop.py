import json
import math
import signal

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, TASK_UTILS

from mmada.controllers import RoundResult, WeightController, select_best
from mmada.engine import load_policy
from mmada.engine.reward import RewardEvaluator
from mmada.models import ObjectiveError
from tests.support import processes, toy
from tests.test_engine.test_loops import explore_worker


class TableController(WeightController):
    """Proposes weights from a fixed table and learns nothing."""

    def __init__(
        self,
        table,
        num_objectives,
        num_rounds,
        seed,
        first_reference=None,
    ):
        super().__init__(num_objectives, num_rounds, len(table))
        self.table = torch.tensor(table, dtype=torch.float64)
        self.seen = []
        self._first_reference = first_reference

    @property
    def first_reference(self):
        return self._first_reference or super().first_reference

    def propose(self, losses):
        self.seen.append(losses)
        return self.table

    def observe(self, metrics, reference):
        self.metrics, self.reference = metrics, reference
        return RoundResult(
            select_best(metrics), torch.zeros(len(metrics)), False, {}, ''
        )

    def ensemble(self):
        from mmada.controllers import AdaSegment

        controller = AdaSegment(self.num_objectives, 1, 2)
        controller.propose(self.seen[0])
        controller.observe(torch.tensor([0.0, 1.0]), None)
        return controller.ensemble()

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


TASK_UTILS.register_module(module=TableController)


@HOOKS.register_module()
class RecordingHook(Hook):
    """Keeps what it is called with."""

    in_replicas = 'silent'

    def __init__(self):
        self.records, self.iterations = [], 0

    def after_exploration_round(self, runner, record):
        self.records.append(record)

    def after_train_iter(self, runner, batch_idx, **_):
        self.iterations += 1


def explore(work_dir, resume=False, **options):
    hook = RecordingHook()
    runner = toy.runner(
        work_dir,
        train_cfg=toy.exploration(**options),
        resume=resume,
    )
    runner.register_hook(hook)
    runner.train()
    return runner, hook


def test_explores_writes_a_policy_and_the_explored_model(tmp_path):
    runner, hook = explore(tmp_path)
    assert [r['round'] for r in hook.records] == [1, 2, 3]
    assert hook.iterations == 0  # no hook sees a replica's iterations
    ensemble = load_policy(tmp_path / 'policy.safetensors', ('a', 'b'))
    assert ensemble.num_rounds == 3
    last = hook.records[-1]
    assert ensemble.best_weights.tolist() == last['weights'][last['best']]
    saved = torch.load(tmp_path / 'explored.pth', weights_only=False)
    toy.assert_same_state(saved['state_dict'], runner.model.state_dict())
    lines = (tmp_path / 'exploration/history.jsonl').read_text().splitlines()
    assert [json.loads(line) for line in lines] == hook.records
    scores = [m['toy/score'] for m in last['metrics']]
    assert last['best'] == scores.index(max(scores))
    loop = runner.train_loop
    assert loop.evaluator.evaluate(runner.model)['toy/score'] == max(scores)
    assert (loop.iter, loop.epoch, loop.max_iters) == (9, 3, 9)


def test_scalars_reach_the_visual_backends(tmp_path):
    explore(tmp_path, num_rounds=2)
    (scalars,) = tmp_path.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [row['step'] for row in rows] == [1, 2]
    assert {
        'exploration/best.score',
        'exploration/weights.a',
        'exploration/reward.replica3',
    } <= set(rows[0])


def test_equal_weights_give_equal_replicas_and_the_plain_training(tmp_path):
    """Common random numbers, no aliasing, one cosine over all rounds."""
    table = [[1.0, 1.0]] * 3
    runner, hook = explore(
        tmp_path / 'a',
        num_rounds=2,
        controller=dict(type='TableController', table=table),
    )
    for record in hook.records:
        assert len({m['toy/score'] for m in record['metrics']}) == 1
        assert record['best'] == 0
    # The committed trajectory is that of one exploration with one replica.
    single, _ = explore(
        tmp_path / 'b',
        num_rounds=2,
        controller=dict(type='TableController', table=table[:1]),
    )
    toy.assert_same_state(runner.model.state_dict(), single.model.state_dict())
    optimizer = runner.optim_wrapper.optimizer.param_groups[0]
    # The rate of the last of 6 iterations of one cosine over both rounds.
    expected = 0.05 * (1 + math.cos(5 * math.pi / 6)) / 2
    assert optimizer['lr'] == pytest.approx(expected)


def test_a_replica_does_not_depend_on_those_before_it(tmp_path):
    tables = [[[1.0, 1.0], [4.0, 0.25]], [[0.25, 4.0], [4.0, 0.25]]]
    scores = []
    for i, table in enumerate(tables):
        _, hook = explore(
            tmp_path / str(i),
            num_rounds=1,
            controller=dict(type='TableController', table=table),
        )
        scores.append([m['toy/score'] for m in hook.records[0]['metrics']])
    assert scores[0][1] == scores[1][1]
    assert scores[0][0] != scores[1][0]


def test_the_next_round_starts_from_the_winner(tmp_path):
    table = [[1e-3, 1e-3], [2.0, 1.0]]
    runner, hook = explore(
        tmp_path,
        num_rounds=2,
        controller=dict(type='TableController', table=table),
    )
    controller = runner.train_loop.controller
    best = hook.records[0]['best']
    assert (
        controller.reference == (hook.records[0]['metrics'][best]['toy/score'])
    )
    assert hook.records[1]['losses'] == controller.seen[1].tolist()
    assert not torch.equal(controller.seen[0], controller.seen[1])


def references(work_dir, kind=None):
    """Explores two rounds; returns what they were compared with, and more."""
    table = [[1.0, 1.0], [2.0, 0.5]]
    config = dict(type='TableController', table=table)
    if kind is not None:
        config['first_reference'] = kind
    runner, hook = explore(work_dir, num_rounds=2, controller=config)
    first, second = hook.records
    # What the controller was told last is what the record has.
    assert runner.train_loop.controller.reference == second['reference']
    return first['reference'], second['reference'], hook.records


def test_what_the_first_round_is_compared_with(tmp_path):
    """And the second one with the winner of the first, whatever that is."""
    found = {
        str(kind): references(tmp_path / str(kind), kind)
        for kind in (None, 'start', 'pseudo', 'zero', 'none')
    }
    model = toy.runner(tmp_path / 'model', train_cfg=toy.exploration())
    # The evaluator of the loop on a model that was never trained.
    initial = model.train_loop
    reward = RewardEvaluator(*initial._reward)
    start = reward.evaluate(model.model)['toy/score']
    assert found['start'][0] == pytest.approx(start)
    assert (found['zero'][0], found['none'][0]) == (0.0, None)
    assert found['pseudo'][0] == found['None'][0]
    # A round of all ones from the start is the pseudo epoch once more.
    (ones, _) = (m['toy/score'] for m in found['pseudo'][2][0]['metrics'])
    assert found['pseudo'][0] == ones != pytest.approx(start)
    seconds = {second for _, second, _ in found.values()}
    assert len(seconds) == 1 and None not in seconds
    metrics = [records[0]['metrics'] for _, _, records in found.values()]
    assert all(each == metrics[0] for each in metrics)  # nothing else changes


def test_a_diverged_replica_is_no_winner_and_harms_no_other(tmp_path):
    table = [[1.0, 1.0], [1e30, 1e30], [2.0, 0.5]]
    _, hook = explore(
        tmp_path / 'a',
        num_rounds=1,
        controller=dict(type='TableController', table=table),
    )
    _, other = explore(
        tmp_path / 'b',
        num_rounds=1,
        controller=dict(type='TableController', table=[table[0], table[2]]),
    )
    metrics = hook.records[0]['metrics']
    assert metrics[1] == {}
    assert hook.records[0]['best'] != 1
    assert [metrics[0], metrics[2]] == other.records[0]['metrics']


def test_rounds_without_a_survivor_end_the_run_and_keep_the_state(tmp_path):
    config = dict(type='TableController', table=[[1e30, 1e30]] * 2)
    with pytest.raises(RuntimeError, match='round 1 diverged 3 times'):
        explore(tmp_path, controller=config)
    assert list((tmp_path / 'exploration/states').glob('step_*'))


def digest(work_dir):
    """Returns what must not depend on interruptions."""
    state = torch.load(work_dir / 'explored.pth', weights_only=False)
    history = (work_dir / 'exploration/history.jsonl').read_text()
    policy = load_policy(work_dir / 'policy.safetensors')
    parameters = [p.state_dict() for p in policy.policies]
    return history, parameters, state['state_dict']


def assert_same_run(first, second):
    a, b = digest(first), digest(second)
    assert a[0] == b[0]
    for x, y in zip(a[1], b[1], strict=True):
        toy.assert_same_state(x, y)
    toy.assert_same_state(a[2], b[2])


@pytest.mark.parametrize('commits', [1, 2, 6, 9])
def test_killed_and_resumed_gives_the_same_bits(tmp_path, commits):
    """Commits: 1 pseudo epoch, then 4 replicas and a close a round."""
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    explore(whole)
    env = dict(MMADA_FAILPOINT=f'state.before_delete:{commits}')
    started = processes.start(explore_worker.explore, 1, killed, env=env)
    codes, outputs = processes.finish(started)
    assert codes == [-signal.SIGKILL], outputs
    runner, _ = explore(killed, resume=True)
    assert_same_run(whole, killed)
    before = digest(killed)
    explore(killed, resume=True)  # of a finished run: nothing changes
    assert digest(killed)[0] == before[0]
    assert_same_run(whole, killed)


def test_a_second_run_in_the_directory_must_resume(tmp_path):
    explore(tmp_path, num_rounds=1)
    with pytest.raises(RuntimeError, match='--resume'):
        explore(tmp_path, num_rounds=1)


def test_resume_under_another_config_names_the_difference(tmp_path):
    explore(tmp_path, num_rounds=1)
    with pytest.raises(RuntimeError, match='num_rounds'):
        explore(tmp_path, num_rounds=2, resume=True)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_rounds=0), '`num_rounds` should .*Found 0'),
        (dict(replica_timeout=0), '`replica_timeout` should .*Found 0'),
        (dict(iters_per_round=0), '`iters_per_round` should .*Found 0'),
        (dict(reward_metric='toy/PQ'), "the evaluator gives.* Found 'toy/PQ'"),
        (
            dict(reward_metric={'toy/PQ': 1, 'toy/score': 1}),
            "the evaluator gives.* Found 'toy/PQ'",
        ),
        (dict(reward_metric={'toy/score': 0.0}), 'a weight that is not zero'),
        (
            dict(controller=dict(type='AdaSegment', num_replicas=4, sigmas=1)),
            'sigmas',
        ),
    ],
)
def test_bad_options_stop_before_training(tmp_path, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        explore(tmp_path, **options)
    assert not list(tmp_path.glob('exploration/states/*'))


def test_an_unknown_objective_stops_before_training(tmp_path):
    model = dict(toy.MODEL, objectives=dict(toy.OBJECTIVES, m='loss_mask'))
    runner = toy.runner(tmp_path, train_cfg=toy.exploration(), model=model)
    with pytest.raises(ObjectiveError, match="'m'.*loss_a, loss_b, loss_rpn"):
        runner.train()


def test_rounds_must_hold_whole_accumulations(tmp_path):
    runner = toy.runner(
        tmp_path,
        train_cfg=toy.exploration(),
        optim_wrapper=dict(toy.OPTIM_WRAPPER, accumulative_counts=2),
    )
    with pytest.raises(
        ValueError,
        match='accumulative_counts. should .*3 iter.*epoch.*Found 2.*=4`',
    ):
        runner.train()


def test_a_schedule_that_follows_a_metric_is_refused(tmp_path):
    runner = toy.runner(
        tmp_path,
        train_cfg=toy.exploration(),
        param_scheduler=dict(type='ReduceOnPlateauLR', monitor='toy/score'),
    )
    with pytest.raises(ValueError, match='follows a metric'):
        runner.train()


def test_an_optimizer_without_the_head_rule_is_refused(tmp_path):
    plain = dict(toy.OPTIM_WRAPPER)
    del plain['constructor']
    runner = toy.runner(
        tmp_path, train_cfg=toy.exploration(), optim_wrapper=plain
    )
    with pytest.raises(ValueError, match='HeadRuleOptimWrapperConstructor'):
        runner.train()


def test_metrics_refuse_their_files_before_the_model_is_tried(
    tmp_path, monkeypatch
):
    """Stuff in front, with which mmdet's heads stop at the first loss."""
    monkeypatch.delattr(toy.ToyDetector, 'forward')
    categories = [
        dict(id=1, name='sky', isthing=0),
        dict(id=2, name='a', isthing=1),
    ]
    path = tmp_path / 'gt.json'
    path.write_text(json.dumps(dict(annotations=[], categories=categories)))
    monkeypatch.setattr(toy.ToyDataset, 'METAINFO', dict(classes=('sky', 'a')))
    runner = toy.runner(
        tmp_path,
        train_cfg=toy.exploration(
            reward_evaluator=dict(
                type='PanopticQuality',
                ann_file=str(path),
                seg_prefix=str(tmp_path),
            )
        ),
    )
    with pytest.raises(ValueError, match="Things .*Found 'sky' first"):
        runner.train()
