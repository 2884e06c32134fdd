"""Accumulated gradients: as of one big batch, with weights of their own."""

import json

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import TASK_UTILS

from mmada.weightings import GradientWeighting, Weighting
from tests.support import toy
from tests.test_engine.test_training_features import two_heads, uses


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_two_batches_step_as_one_of_both(mode):
    """x of 1 and 3 have the mean 2."""
    model, optim_wrapper = two_heads.build(mode, accumulative_counts=2)
    optim_wrapper.initialize_count_status(model, 0, 4)
    two_heads.step(model, optim_wrapper, 1.0)
    assert two_heads.values(model) == two_heads.START
    two_heads.step(model, optim_wrapper, 3.0)
    # The trunk's gradient is (2*3 + 4*5) x, a shielded head's is x.
    expected = [1 - 0.1 * 26 * 2, 3 - 0.1 * 2, 5 - 0.1 * 2]
    assert two_heads.values(model) == pytest.approx(expected)
    big, optim_wrapper = two_heads.build(mode)
    two_heads.step(big, optim_wrapper, 2.0)
    assert two_heads.values(big) == pytest.approx(expected)


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_the_last_step_has_the_batches_that_are_left(mode):
    model, optim_wrapper = two_heads.build(mode, accumulative_counts=2)
    optim_wrapper.initialize_count_status(model, 2, 3)
    two_heads.step(model, optim_wrapper, 0.5)  # in full, not its half
    expected = [1 - 0.1 * 26 * 0.5, 3 - 0.1 * 0.5, 5 - 0.1 * 0.5]
    assert two_heads.values(model) == pytest.approx(expected)


def test_weights_that_change_in_between_take_the_rule_of_gradients():
    """Of the rates, only those of the last weights would be in force."""
    heads = {}
    for mode in ('lr', 'grad'):
        model, optim_wrapper = two_heads.build(mode, accumulative_counts=2)
        optim_wrapper.initialize_count_status(model, 0, 4)
        for weights in ([2.0, 4.0], [4.0, 1.0]):
            model.objective_weights.set(weights)
            two_heads.step(model, optim_wrapper)
        heads[mode] = two_heads.values(model)[1:]
    assert heads['grad'] == pytest.approx([2.9, 4.9])
    # The means of the weights, 3 and 2.5, over those of the last.
    assert heads['lr'] == pytest.approx([3 - 0.1 * 3 / 4, 5 - 0.1 * 2.5])


def halves(**loader):
    """Returns options for batches of two, accumulated to four."""
    return dict(
        train_dataloader=dict(toy.dataloader(), batch_size=2, **loader),
        optim=dict(accumulative_counts=2),
        model=toy.SMOOTH,
        param_scheduler=None,  # schedules count iterations
    )


@pytest.mark.parametrize('use', ['exploration', 'training'])
def test_halves_of_batches_lead_to_the_same_weights(tmp_path, use):
    whole = uses.run(
        use, tmp_path / 'whole', model=toy.SMOOTH, param_scheduler=None
    )
    parts = uses.run(use, tmp_path / 'parts', **halves())
    uses.assert_close(whole, parts)
    assert parts['rows'][0]['weights'] != parts['rows'][1]['weights']


@TASK_UTILS.register_module()
class Turns(GradientWeighting):
    """Weights that change in every iteration."""

    def __init__(self):
        self.count = 0

    def weights(self, losses, gradients):
        self.count += 1
        first = 4.0 if self.count % 2 else 0.5
        return losses.new_tensor([first, 2.0])


def test_heads_are_shielded_from_weights_of_every_iteration(tmp_path):
    """The trunk stands still, so the heads see the weights or nothing."""
    still = dict(custom_keys=dict(trunk=dict(lr_mult=0.0, decay_mult=0.0)))
    hook = dict(type='GradientWeightingHook', weighting=dict(type='Turns'))
    heads = []
    for k, hooks in enumerate([[], [hook]]):
        options = halves()
        runner = toy.runner(
            tmp_path / str(k),
            custom_hooks=[uses.SEEDS, *hooks],
            optim_wrapper=dict(
                toy.OPTIM_WRAPPER,
                head_rule=dict(mode='grad'),
                paramwise_cfg=still,
                **options.pop('optim'),
            ),
            **options,
        )
        runner.train()
        state = toy.state_of(runner.model)
        heads.append({n: v for n, v in state.items() if 'head' in n})
    torch.testing.assert_close(*heads)


@TASK_UTILS.register_module()
class Counted(Weighting):
    """The number of the period."""

    def weights(self, epoch, num_epochs, losses):
        return losses.new_tensor([float(epoch)] * len(losses))


class Seen(Hook):
    """The weight of each iteration."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.weights = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.weights.append(runner.model.objective_weights.values[0])


@pytest.mark.parametrize('resume', [False, True])
def test_weights_change_between_steps_alone(tmp_path, resume):
    """Epochs of three iterations, steps after every second one."""
    options = dict(
        optim_wrapper=dict(toy.OPTIM_WRAPPER, accumulative_counts=2),
        custom_hooks=[
            dict(type='LossWeightingHook', weighting=dict(type='Counted'))
        ],
    )
    if resume:  # after the first epoch, within the gradients of a step
        short = dict(type='EpochBasedTrainLoop', max_epochs=1)
        toy.runner(tmp_path, train_cfg=short, **options).train()
    seen = Seen()
    runner = toy.runner(tmp_path, resume=resume, **options)
    runner.register_hook(seen)
    runner.train()
    weights = [1, 1, 1, 1, 2, 2, 3, 3, 3]
    assert seen.weights == (weights[3:] if resume else weights)
    lines = (tmp_path / 'weights.jsonl').read_text().splitlines()
    assert [json.loads(line)['epoch'] for line in lines] == [1, 2, 3]


def test_a_round_that_cuts_a_step_in_two_is_refused(tmp_path):
    runner = uses.build(
        'exploration',
        tmp_path,
        exploration=dict(iters_per_round=5),
        optim=dict(accumulative_counts=2),
    )
    message = 'accumulative_counts` .*divisor.*5.*Found 2.*per_round=6` beside'
    with pytest.raises(ValueError, match=message):
        runner.train()
