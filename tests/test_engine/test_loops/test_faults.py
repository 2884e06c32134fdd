"""What an exploration does when losses, metrics or data fail it."""

import json
import math

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS, MODELS, TASK_UTILS

from mmada.controllers import AdaSegment
from mmada.engine import load_policy
from mmada.engine.loops import ReplicaError
from mmada.models import ObjectiveError
from mmada.utils.seeding import derive_seed
from tests.support import toy


@MODELS.register_module()
class FaultyDetector(toy.ToyDetector):
    """Changes its losses in calls that are listed, counted from 1.

    The first call is the probe's, three more are the pseudo epoch's, then
    each replica has three.
    """

    transient_attributes = ('count',)

    def __init__(self, calls=(), change='broken'):
        super().__init__()
        self.calls, self.count = tuple(calls), 0
        self.change = CHANGES[change]

    def forward(self, x, y, mode='tensor'):
        losses = super().forward(x, y, mode)
        if mode == 'loss':
            self.count += 1
            if self.count in self.calls:
                self.change(losses)
        return losses


def _scale(factor):
    def change(losses):
        losses['loss_a'] = losses['loss_a'] * factor

    return change


def _fail(losses):
    raise RuntimeError('lost')


CHANGES = dict(
    broken=_scale(math.nan),
    infinite=_scale(math.inf),
    zero=_scale(0.0),
    negative=_scale(-1.0),
    missing=lambda losses: losses.pop('loss_a'),
    raising=_fail,
)
PSEUDO, ROUND = (2, 3, 4), range(5, 17)  # of four replicas


def replica(k, round=0):
    """Calls of replica k, from 0."""
    first = 5 + 12 * round + 3 * k
    return range(first, first + 3)


@METRICS.register_module()
class ListedMetric(BaseMetric):
    """Gives the listed values in turn, the last for ever; None for no value.

    The first evaluation checks that the metric exists, the second is that
    of the pseudo epoch.
    """

    default_prefix = 'toy'

    def __init__(self, values):
        super().__init__()
        self.values = [None if v is None else float(v) for v in values]

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        value = self.values[0]
        if len(self.values) > 1:
            del self.values[0]
        return {} if value is None else dict(score=value)


@TASK_UTILS.register_module()
class WatchedAdaSegment(AdaSegment):
    """Keeps what it is told."""

    def __init__(self, **options):
        super().__init__(**options)
        self.told = []

    def observe(self, metrics, reference):
        result = super().observe(metrics, reference)
        self.told.append((metrics.tolist(), reference, result))
        return result


def explore(
    work_dir,
    calls=(),
    change='broken',
    values=None,
    log_level='ERROR',
    **options,
):
    detector = dict(type='FaultyDetector', calls=list(calls), change=change)
    controller = dict(type='WatchedAdaSegment', num_replicas=4)
    if values is not None:
        options['reward_evaluator'] = dict(type='ListedMetric', values=values)
    runner = toy.runner(
        work_dir,
        log_level=log_level,
        model=dict(toy.MODEL, detector=detector),
        train_cfg=toy.exploration(
            **{'num_rounds': 1, 'controller': controller, **options}
        ),
    )
    runner.train()
    return runner


def history(work_dir):
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize('change', ['broken', 'infinite'])
@pytest.mark.parametrize('position', [0, 2])
def test_a_replica_whose_loss_breaks_harms_no_other(
    tmp_path, change, position
):
    call = replica(1)[position]
    # It stops there, so that later calls come earlier.
    runner = explore(tmp_path / 'faulty', [call], change)
    (record,) = history(tmp_path / 'faulty')
    explore(tmp_path / 'sound')
    (sound,) = history(tmp_path / 'sound')
    assert record['metrics'].pop(1) == {}
    sound['metrics'].pop(1)
    assert record['metrics'] == sound['metrics']
    assert record['weights'] == sound['weights']
    assert record['best'] != 1
    assert runner.model.count == 4 + 12 - (2 - position)
    metrics, _, result = runner.train_loop.controller.told[0]
    assert math.isnan(metrics[1]) and result.info['num_valid'] == 3
    assert result.rewards[1] == -1


def test_a_dead_round_is_tried_again_with_new_samples(tmp_path):
    # All four replicas stop at once: calls 5 to 8; the next round is sound.
    runner = explore(tmp_path, range(5, 9))
    controller = runner.train_loop.controller
    first, second = controller.told
    assert all(math.isnan(m) for m in first[0])
    assert first[2].best == -1 and not first[2].updated
    assert not any(math.isnan(m) for m in second[0])
    (record,) = history(tmp_path)
    assert record['round'] == 1
    assert load_policy(tmp_path / 'policy.safetensors').num_rounds == 1
    assert runner.model.count == 4 + 4 + 12


def test_a_pseudo_epoch_that_breaks_is_named(tmp_path):
    with pytest.raises(
        RuntimeError,
        match='The pseudo epoch, with the neutral action, diverged in '
        'iteration 2: loss_a is nan. Lower the learning rate.',
    ):
        explore(tmp_path, PSEUDO[1:2])


def test_a_loss_that_is_nan_from_the_first_iteration_is_no_divergence(
    tmp_path,
):
    with pytest.raises(
        RuntimeError,
        match='has a loss that is not finite in the first iteration, before '
        'any step: loss_a is nan. The learning rate is not the cause.',
    ):
        explore(tmp_path, PSEUDO[:1])


def test_equal_rewards_teach_nothing_and_the_first_replica_wins(tmp_path):
    runner = explore(tmp_path, values=[5.0])
    (told,) = runner.train_loop.controller.told
    assert told[2].best == 0 and not told[2].updated
    assert told[2].rewards.tolist() == [0.0] * 4
    (record,) = history(tmp_path)
    assert record['reason'] == 'all valid replicas scored 5'
    policy = load_policy(tmp_path / 'policy.safetensors')
    untaught = AdaSegment(2, 1, 4, seed=derive_seed(7, 'controller'))
    untaught.propose(policy.initial_losses)
    untaught.observe(torch.full((4,), 5.0), 5.0)
    (expected,) = untaught.ensemble().policies
    toy.assert_same_state(
        policy.policies[0].state_dict(), expected.state_dict()
    )


@pytest.mark.parametrize('value', [math.inf, -math.inf, math.nan])
def test_a_metric_that_is_not_finite_wins_nothing(tmp_path, value):
    runner = explore(tmp_path, values=[1, 1, 2, value, 4, 3])
    (record,) = history(tmp_path)
    assert record['best'] == 2
    assert runner.train_loop.controller.told[0][0][2] == 4
    # The explored model is that of the same replica.
    other = explore(tmp_path / 'other', values=[1, 1, 2, 0, 4, 3])
    toy.assert_same_state(runner.model.state_dict(), other.model.state_dict())


def test_metrics_that_are_all_infinite_end_the_round(tmp_path):
    message = r"round 1 had no reward \('toy/score' is -inf\) 3 times"
    with pytest.raises(RuntimeError, match=message):
        explore(tmp_path, values=[1, 1, -math.inf], log_level='WARNING')
    (path,) = tmp_path.glob('*/*.log')
    log = path.read_text()
    cause = "has no reward: 'toy/score' is -inf on the reward data"
    assert f'Replica 4 of round 1 {cause}' in log
    assert 'No replica of round 1 has a reward' in log
    assert 'diverged;' not in log


def test_an_evaluator_that_gives_no_value_is_no_divergence(tmp_path):
    message = r"round 1 had no reward \('toy/score' is missing\) 3 times"
    with pytest.raises(RuntimeError, match=message):
        explore(tmp_path, values=[1, 1, None], log_level='WARNING')
    (path,) = tmp_path.glob('*/*.log')
    log = path.read_text()
    assert "Replica 4 of round 1 has no reward: 'toy/score' is missing" in log
    assert 'diverged;' not in log


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_a_pseudo_epoch_without_a_metric_leaves_no_reference(tmp_path, value):
    runner = explore(tmp_path, values=[1, value, 2, 3, 4, 5])
    metrics, reference, _ = runner.train_loop.controller.told[0]
    assert reference is None
    assert metrics == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ('start', 'expected'), [(6, 6), (math.nan, None), (math.inf, None)]
)
def test_the_paper_compares_with_the_initial_model(tmp_path, start, expected):
    """It is evaluated after the pseudo epoch's, and may have no metric."""
    runner = explore(
        tmp_path,
        values=[1, 7, start, 2, 3, 4, 5],
        controller=dict(
            type='WatchedAdaSegment', preset='paper', num_replicas=4
        ),
        log_level='WARNING',
    )
    metrics, reference, _ = runner.train_loop.controller.told[0]
    assert reference == expected
    assert metrics == [2, 3, 4, 5]
    (path,) = tmp_path.glob('*/*.log')
    warned = 'The initial model has no reward' in path.read_text()
    assert warned is (expected is None)


def test_a_loss_that_is_missing_at_times_is_averaged_where_present(tmp_path):
    runner = explore(tmp_path, [2, *replica(0)[:2]], 'missing')
    (record,) = history(tmp_path)
    assert all(record['metrics'])
    for result in record['losses']:
        assert result > 0
    assert runner.model.count == 16


def test_what_fails_twice_ends_the_run(tmp_path):
    calls = replica(1)[:2]  # the segment is done again at once
    with pytest.raises(ReplicaError, match='(?s)failed 2 times.*lost'):
        explore(tmp_path, calls, 'raising')


def test_a_segment_that_fails_once_is_done_again_to_the_same_bits(tmp_path):
    failed = explore(tmp_path / 'failed', replica(1)[:1], 'raising')
    explore(tmp_path / 'sound')
    assert failed.model.count == 16 + 1
    (one,), (other,) = (
        history(tmp_path / 'failed'),
        history(tmp_path / 'sound'),
    )
    assert one == other


@pytest.mark.parametrize('change', ['zero', 'missing'])
def test_a_loss_that_is_never_measured_counts_as_a_usual_one(tmp_path, change):
    controller = dict(type='AdaSegment', num_replicas=4, sigma=0.01)
    options = dict(num_rounds=2, controller=controller)
    explore(tmp_path, range(2, 99), change, **options)
    for record in history(tmp_path):
        first, second = record['losses']
        assert first is None and second > 0
        # Of one loss that is known, the geometric mean is that loss.
        for weights in record['weights']:
            assert weights == pytest.approx([1, 1], abs=0.1)


def test_the_last_known_loss_stands_in_for_one_that_is_zero(tmp_path):
    zero = [call for k in range(4) for call in replica(k)]
    explore(tmp_path, zero, 'zero', num_rounds=3)
    first, second, third = (r['losses'] for r in history(tmp_path))
    assert first[0] > 0  # of the pseudo epoch
    assert second[0] == first[0] and second[1] != first[1]
    assert third[0] not in (0, first[0])


def test_losses_below_zero_are_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"not be negative for Watched.* Found -\S+ of 'a'"
    ):
        explore(tmp_path, range(99), 'negative')


def test_a_search_that_needs_no_losses_takes_them_below_zero(tmp_path):
    controller = dict(type='RandomWeights', num_replicas=2)
    explore(tmp_path, range(99), 'negative', controller=controller)
    (record,) = history(tmp_path)
    assert record['losses'][0] < 0


def test_a_wrong_name_is_shown_with_all_names_of_the_model(tmp_path):
    model = dict(
        toy.MODEL, objectives=dict(a='loss_A', b='loss_b', c='loss_cls')
    )
    runner = toy.runner(tmp_path, train_cfg=toy.exploration(), model=model)
    with pytest.raises(
        ObjectiveError,
        match="'a', 'c'. The model produces: loss_a, loss_b, loss_rpn",
    ):
        runner.train()


def test_no_reward_data_stop_before_training(tmp_path):
    empty = toy.dataloader(offset=1, size=0, shuffle=False)
    with pytest.raises(
        ValueError, match='reward_dataloader.dataset. should .* Found none'
    ):
        explore(tmp_path, reward_dataloader=empty)


def test_a_finished_run_resumed_has_the_counters_of_its_end(tmp_path):
    cfg = toy.exploration(num_rounds=2)
    toy.runner(tmp_path, train_cfg=cfg).train()
    first = torch.load(tmp_path / 'explored.pth', weights_only=False)['meta']
    runner = toy.runner(tmp_path, train_cfg=cfg, resume=True)
    runner.train()
    assert (runner.iter, runner.epoch) == (6, 2)
    second = torch.load(tmp_path / 'explored.pth', weights_only=False)['meta']
    assert [first[k] for k in ('iter', 'epoch')] == [
        second[k] for k in ('iter', 'epoch')
    ]
