"""EMAHook: an average of each replica, and one of the training after it."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import MODELS

from tests.support import toy
from tests.test_engine.test_training_features import uses

MOMENTUM = 0.25
EMA = dict(type='EMAHook', momentum=MOMENTUM)


class Average(Hook):
    """Averages by hand: avg = (1 - momentum) avg + momentum new."""

    priority = 'VERY_LOW'
    in_replicas = 'silent'

    def __init__(self):
        self.value = None

    def after_train_iter(self, runner, *args, **kwargs):
        new = toy.state_of(runner.model)
        if self.value is None:
            self.value = new
        for name, old in self.value.items():
            if 'running' in name or 'num_batches' in name:
                self.value[name] = new[name]
            else:
                self.value[name] = (1 - MOMENTUM) * old + MOMENTUM * new[name]


class StatefulAverage(Average):
    """The average of a replica."""

    in_replicas = 'stateful'


@pytest.mark.parametrize('use', ['both', 'training', 'gradients'])
def test_checkpoints_hold_the_average_since_the_training_began(tmp_path, use):
    runner = uses.build(use, tmp_path / 'ema', hooks=[EMA])
    expected = Average()
    runner.register_hook(expected)
    runner.train()
    if use != 'both':  # a search's rewards are those of the average
        plain = uses.run(use, tmp_path / 'plain')
        toy.assert_same_state(plain['state'], runner.model.state_dict())
        assert uses.rows(use, tmp_path / 'ema') == plain['rows']
    found = checkpoint(tmp_path / 'ema' / 'epoch_2.pth').state_dict()
    assert_close(found, expected.value)
    name = 'head_a.weight'
    assert not torch.equal(found[name], runner.model.state_dict()[name])


def checkpoint(path):
    """Loads a checkpoint into the bare detector."""
    saved = torch.load(path, weights_only=False)
    detector = MODELS.build(dict(type='ToyDetector'))
    detector.load_state_dict(saved['state_dict'], strict=True)
    return detector


def assert_close(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_a_search_scores_and_keeps_the_average_of_a_replica(tmp_path):
    """Over the course of the winners, and the last one's metric."""
    runner = uses.build('exploration', tmp_path, hooks=[EMA])
    average = StatefulAverage()
    runner.register_hook(average)
    runner.train()
    explored = checkpoint(tmp_path / 'explored.pth')
    assert_close(toy.state_of(explored), average.value)
    evaluate = runner.train_loop.evaluator.evaluate
    last = uses.rows('exploration', tmp_path)[-1]['metrics']
    assert evaluate(explored) in last
    assert evaluate(runner.model) not in last


def test_a_search_before_a_training_writes_the_same_average(tmp_path):
    for use in ('exploration', 'both'):
        uses.run(use, tmp_path / use, hooks=[EMA])
    alone, first = (
        checkpoint(tmp_path / use / 'explored.pth').state_dict()
        for use in ('exploration', 'both')
    )
    toy.assert_same_state(alone, first)


def test_a_resumed_training_goes_on_with_its_average(tmp_path):
    whole, halted = tmp_path / 'whole', tmp_path / 'halted'
    uses.run('both', whole, hooks=[EMA])
    runner = uses.build('both', halted, hooks=[EMA])
    runner.register_hook(Halt())
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    uses.run('both', halted, hooks=[EMA], resume=True)
    first, second = (
        torch.load(path / 'epoch_2.pth', weights_only=False)
        for path in (whole, halted)
    )
    for key in ('state_dict', 'ema_state_dict'):
        toy.assert_same_state(first[key], second[key])


class Halt(Hook):
    """Ends a run in its second epoch."""

    in_replicas = 'silent'

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.epoch == 1 and batch_idx == 1:
            raise KeyboardInterrupt
