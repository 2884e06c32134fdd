"""What hooks, checkpoints and later runs may rely on."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict

from mmada.controllers import AdaSegment
from mmada.engine import load_policy
from mmada.engine.loops.config_checks import check_optimization
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.state import RunLock
from mmada.utils.seeding import derive_seed
from tests.support import toy
from tests.test_engine import lives
from tests.test_engine.test_loops import (
    test_faults as faults,
)
from tests.test_engine.test_loops import (
    test_nothing_learned,  # noqa: F401  registers a metric
)


class Order(Hook):
    """Keeps the points that an exploration calls."""

    def __init__(self):
        self.calls, self.weights = [], []

    def before_train(self, runner):
        self.calls.append('before_train')

    def after_train(self, runner):
        self.calls.append('after_train')

    def after_exploration_round(self, runner, record):
        self.calls.append((runner.iter, runner.epoch))
        self.weights.append(record['weights'])


def explore(work_dir, **options):
    runner = toy.runner(work_dir, train_cfg=toy.exploration(**options))
    order = Order()
    runner.register_hook(order)
    runner.train()
    return runner, order


def test_rounds_that_are_no_whole_epochs(tmp_path):
    """Two rounds of two iterations, epochs of three."""
    runner, order = explore(tmp_path, num_rounds=2, iters_per_round=2)
    assert (runner.max_iters, runner.max_epochs) == (4, 2)
    assert order.calls == ['before_train', (2, 0), (4, 1), 'after_train']


def test_the_best_weights_are_in_force_and_the_file_knows_its_origin(
    tmp_path,
):
    runner, order = explore(tmp_path, num_rounds=2)
    policy = load_policy(tmp_path / 'policy.safetensors')
    assert (
        list(runner.model.objective_weights.values)
        == policy.best_weights.tolist()
    )
    assert list(runner.model.objective_weights.values) in order.weights[-1]
    origin = policy.provenance
    assert (origin['num_replicas'], origin['iters_per_round']) == (4, 3)
    assert origin['reward_metric'] == 'toy/score'
    saved = torch.load(tmp_path / 'explored.pth', weights_only=False)
    assert 'optimizer' not in saved and 'param_schedulers' not in saved


def test_the_search_may_have_a_seed_of_its_own(tmp_path):
    runner, order = explore(tmp_path, num_rounds=1, seed=11)
    assert runner.seed == 7
    controller = AdaSegment(2, 1, 4, seed=derive_seed(11, 'controller'))
    policy = load_policy(tmp_path / 'policy.safetensors')
    expected = controller.propose(policy.initial_losses)
    assert order.weights[0] == expected.tolist()
    assert runner.train_loop.loader.seed == 11


def test_the_first_of_equal_replicas_is_the_one_that_goes_on(tmp_path):
    """The controller names it the winner, so its model must be kept."""
    tie = faults.explore(tmp_path / 'a', values=[1, 1, 3, 5, 5, 5])
    clear = faults.explore(tmp_path / 'b', values=[1, 1, 3, 5, 4, 4])
    toy.assert_same_state(tie.model.state_dict(), clear.model.state_dict())
    for run in ('a', 'b'):
        assert faults.history(tmp_path / run)[0]['best'] == 1


def test_only_failures_in_succession_end_a_run(tmp_path):
    """Two dead rounds before each of two rounds that are sound.

    A dead round takes four calls, a sound one twelve.
    """
    dead = [*range(5, 13), *range(25, 33)]
    runner = faults.explore(tmp_path, dead, num_rounds=2)
    assert runner.model.count == 4 + 2 * (8 + 12)
    assert [r['round'] for r in faults.history(tmp_path)] == [1, 2]


def test_two_explorations_in_one_directory_are_refused(tmp_path):
    with RunLock(tmp_path / 'exploration'), pytest.raises(RuntimeError):
        explore(tmp_path, num_rounds=1)


def test_a_training_with_ones_after_a_search_is_a_plain_one(tmp_path):
    """Neither weights nor generators of the exploration reach it."""
    states = []
    for num_rounds in (1, 2):
        exploration = toy.exploration(
            num_rounds=num_rounds,
            controller=dict(type='AdaSegment', num_replicas=2),
            reward_evaluator=dict(type='BlindMetric'),
        )
        runner = toy.runner(
            tmp_path / str(num_rounds),
            train_cfg=dict(
                type='ExploreThenTrainLoop',
                exploration=exploration,
                training=dict(type='EpochBasedTrainLoop', max_epochs=1),
            ),
            custom_hooks=[dict(type='PolicyWeightingHook')],
        )
        runner.train()
        assert runner.model.objective_weights.values == (1.0, 1.0)
        states.append(toy.state_of(runner.model))
    toy.assert_same_state(*states)


@pytest.mark.parametrize('part', ['optimizers', 'schedulers'])
def test_several_optimizers_are_refused(part):
    live = lives.build()
    if part == 'optimizers':
        wrapper = OptimWrapperDict(only=live.optim_wrapper)
        live = LiveReplica(live.model, wrapper)
    else:
        live.schedulers = dict(only=[])
    with pytest.raises(TypeError, match='several optimizers'):
        check_optimization(live, 3)
