"""EMAHook: averages the training after an exploration, and nothing else."""

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


@pytest.mark.parametrize('use', ['both', 'training', 'gradients'])
def test_checkpoints_hold_the_average_since_the_training_began(tmp_path, use):
    plain = uses.run(use, tmp_path / 'plain')
    runner = uses.build(use, tmp_path / 'ema', hooks=[EMA])
    expected = Average()
    runner.register_hook(expected)
    runner.train()
    # What is trained, and by which rewards and weights, is not changed.
    toy.assert_same_state(plain['state'], runner.model.state_dict())
    assert uses.rows(use, tmp_path / 'ema') == plain['rows']
    saved = torch.load(tmp_path / 'ema' / 'epoch_2.pth', weights_only=False)
    detector = MODELS.build(dict(type='ToyDetector'))
    detector.load_state_dict(saved['state_dict'], strict=True)
    found = toy.state_of(detector)
    assert list(found) == list(expected.value)
    for name, value in expected.value.items():
        torch.testing.assert_close(found[name], value)
    name = 'head_a.weight'
    assert not torch.equal(found[name], plain['state'][name])


def test_the_explored_model_is_written_as_it_is(tmp_path):
    for name, hooks in (('plain', []), ('ema', [EMA])):
        uses.run('both', tmp_path / name, hooks=hooks)
    plain, ema = (
        torch.load(tmp_path / name / 'explored.pth', weights_only=False)
        for name in ('plain', 'ema')
    )
    toy.assert_same_state(plain['state_dict'], ema['state_dict'])
    assert 'ema_state_dict' not in ema


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


def test_an_exploration_alone_has_nothing_to_average(tmp_path):
    runner = uses.build('exploration', tmp_path, hooks=[EMA])
    with pytest.raises(ValueError, match='EMAHook.*ExploreThenTrainLoop'):
        runner.train()
    assert not (tmp_path / 'exploration').exists()
