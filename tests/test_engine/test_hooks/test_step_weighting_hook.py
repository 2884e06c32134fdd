import json
import math

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, OPTIM_WRAPPERS, TASK_UTILS

from mmada.engine import StepWeightingHook
from mmada.weightings import StepWeighting
from tests.support import toy

SCHEDULES = dict(a=dict(points=[(0, 2.0), (1, 0.5)], shape='cosine'))
METHODS = {
    'ScheduledWeighting': dict(schedules=SCHEDULES),
    'RandomLossWeighting': dict(seed=3),
    'UncertaintyWeighting': dict(lr=0.1),
    'Famo': dict(lr=0.1, total=2.0),
}


class Seen(Hook):
    """Keeps the raw losses and the weights of each iteration."""

    priority = 'LOW'

    def __init__(self):
        self.losses, self.weights = [], []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.losses.append(
            [
                outputs[k].item() if k in outputs else math.nan
                for k in ('loss_a', 'loss_b')
            ]
        )
        self.weights.append(list(runner.model.objective_weights.values))


@TASK_UTILS.register_module()
class PlayedBack(StepWeighting):
    """Weights of another training."""

    def __init__(self, weights):
        self._weights = torch.tensor(weights, dtype=torch.float64)

    def weights(self, step, num_steps):
        return self._weights[step]


@MODELS.register_module()
class NowAndThenDetector(toy.ToyDetector):
    """Without `loss_b` in batches whose first row is positive."""

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        if mode == 'loss' and x[0][0] > 0:
            del found['loss_b']
        return found


@MODELS.register_module()
class RestlessDetector(toy.ToyDetector):
    """Draws more numbers in a look than in an iteration."""

    def forward(self, x, y, mode='tensor'):
        if not torch.is_grad_enabled():
            torch.rand(3)
        return super().forward(x, y, mode)


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """Mixed precision as AmpOptimWrapper has it, but on the CPU."""

    def optim_context(self, model):
        return torch.autocast('cpu', torch.bfloat16)


def step_hook(method, interval=None, **options):
    options = {**METHODS.get(method, {}), **options}
    return dict(
        type='StepWeightingHook',
        weighting=dict(type=method, **options),
        interval=interval,
    )


def train(work_dir, *hooks, **options):
    """Trains three epochs of three iterations."""
    runner = toy.runner(
        work_dir,
        custom_hooks=[dict(type='EpochSeedHook'), *hooks],
        **options,
    )
    seen = Seen()
    runner.register_hook(seen)
    runner.train()
    return runner, seen


def rows(work_dir):
    lines = (work_dir / 'weights.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_means(row, seen, first, end):
    for name in ('weights', 'losses'):
        found = torch.tensor(getattr(seen, name)[first:end]).double()
        assert row[name] == pytest.approx(found.nanmean(0).tolist())


def test_constant_ones_train_as_without_a_hook_to_the_bit(tmp_path):
    plain, _ = train(tmp_path / 'plain')
    hook = step_hook('ScheduledWeighting', schedules={})
    ones, _ = train(tmp_path / 'ones', hook)
    toy.assert_same_state(plain.model.state_dict(), ones.model.state_dict())


@pytest.mark.parametrize('method', METHODS)
def test_every_iteration_has_its_weights_and_every_epoch_its_row(
    tmp_path, method
):
    _, seen = train(tmp_path, step_hook(method))
    assert len({tuple(weights) for weights in seen.weights}) == 9
    found = rows(tmp_path)
    assert [row['epoch'] for row in found] == [1, 2, 3]
    for k, row in enumerate(found):
        if row['losses']:
            assert_means(row, seen, 3 * k, 3 * k + 3)
    needs_losses = method in ('UncertaintyWeighting', 'Famo')
    assert all(bool(row['losses']) == needs_losses for row in found)


def test_the_last_period_may_be_short(tmp_path):
    hook = step_hook('UncertaintyWeighting', interval=2)
    _, seen = train(tmp_path, hook)
    found = rows(tmp_path)
    assert [row['epoch'] for row in found] == [1, 2, 3, 4, 5]
    for k, row in enumerate(found):
        assert_means(row, seen, 2 * k, 2 * k + 2)


def test_schedules_know_the_progress_of_the_training(tmp_path):
    _, seen = train(tmp_path, step_hook('ScheduledWeighting'))
    cosine = [2 - 1.5 * (1 - math.cos(math.pi * k / 9)) / 2 for k in range(9)]
    assert [w[0] for w in seen.weights] == pytest.approx(cosine)


@pytest.mark.parametrize('method', METHODS)
def test_a_resumed_training_ends_at_the_same_bits(tmp_path, method):
    four = dict(type='EpochBasedTrainLoop', max_epochs=4)
    hook = step_hook(method)
    whole, seen = train(tmp_path / 'whole', hook, train_cfg=four)
    train(tmp_path / 'cut', hook, train_cfg=four)
    assert_resumed(tmp_path, hook, whole, four, seen)


def test_a_resumed_dynamic_average_ends_at_the_same_bits(tmp_path):
    four = dict(type='EpochBasedTrainLoop', max_epochs=4)
    hook = dict(
        type='LossWeightingHook', weighting=dict(type='DynamicWeightAverage')
    )
    whole, seen = train(tmp_path / 'whole', hook, train_cfg=four)
    train(tmp_path / 'cut', hook, train_cfg=four)
    assert_resumed(tmp_path, hook, whole, four, seen)
    found = rows(tmp_path / 'whole')
    assert [row['weights'] for row in found[:2]] == [[1, 1]] * 2
    ratios = torch.tensor(found[2]['losses']) / torch.tensor(
        found[1]['losses']
    )
    assert found[2]['weights'] == pytest.approx(
        (2 * (ratios / 2).softmax(0)).tolist()
    )


def assert_resumed(tmp_path, hook, whole, train_cfg, seen):
    cut = tmp_path / 'cut'
    for later in ('epoch_3.pth', 'epoch_4.pth'):
        (cut / later).unlink()
    (cut / 'last_checkpoint').write_text(str(cut / 'epoch_2.pth'))
    resumed, again = train(cut, hook, train_cfg=train_cfg, resume=True)
    assert again.weights == seen.weights[6:]
    assert rows(tmp_path / 'whole') == rows(cut)
    toy.assert_same_state(whole.model.state_dict(), resumed.model.state_dict())


def test_a_look_after_the_step_leaves_no_trace(tmp_path):
    """Dropout and batch statistics included."""
    model = dict(toy.MODEL, detector=dict(type='RestlessDetector'))
    looking, seen = train(tmp_path / 'a', step_hook('Famo'), model=model)
    hook = step_hook('PlayedBack', weights=seen.weights)
    blind, again = train(tmp_path / 'b', hook, model=model)
    assert again.losses == seen.losses
    toy.assert_same_state(looking.model.state_dict(), blind.model.state_dict())


@TASK_UTILS.register_module()
class Looks(StepWeighting):
    """Weights of 1 by FAMO's ways, keeping what it is shown."""

    needs_losses = weighs_by_losses = needs_losses_after_step = True

    def __init__(self, log):
        self.log = log

    def weights(self, step, num_steps):
        # Replaced before the backward pass.
        return torch.full((len(self.names),), 7.0)

    def weights_by_losses(self, losses):
        self.log['forward'].append(losses.tolist())
        return torch.ones(len(self.names))

    def observe(self, losses):
        self.log['before'].append(losses.tolist())

    def observe_after_step(self, losses):
        self.log['after'].append(losses.tolist())


def look(tmp_path, **options):
    log = dict(forward=[], before=[], after=[])
    runner = toy.runner(tmp_path, custom_hooks=[], **options)
    runner.register_hook(StepWeightingHook(dict(type=Looks, log=log)))
    seen = Seen()
    runner.register_hook(seen)
    runner.train()
    assert log['forward'] == log['before'] == seen.losses
    return runner, log


def test_without_a_step_the_losses_are_those_of_before(tmp_path):
    """Dropout draws what it drew in the iteration."""
    still = dict(toy.OPTIM_WRAPPER, optimizer=dict(type='SGD', lr=0.0))
    _, log = look(tmp_path, optim_wrapper=still)
    assert log['after'] == log['before']


def test_after_a_step_the_losses_are_those_of_the_new_parameters(tmp_path):
    """One batch over and over: the look is the next iteration's losses."""
    model = dict(toy.MODEL, detector=dict(type='CalmDetector'))
    loader = toy.dataloader(shuffle=False, size=4)
    runner, log = look(tmp_path, model=model, train_dataloader=loader)
    assert log['after'][:-1] == log['before'][1:]
    assert log['after'][0] != log['before'][0]
    assert runner.model.objective_weights.reweigh is None


@MODELS.register_module()
class CalmDetector(toy.ToyDetector):
    """Without dropout."""

    def __init__(self):
        super().__init__()
        del self.trunk[3]


def test_absent_objectives_are_left_out(tmp_path):
    model = dict(toy.MODEL, detector=dict(type='NowAndThenDetector'))
    for method in METHODS:
        work_dir = tmp_path / method
        hook = step_hook(method, interval=1)
        _, seen = train(work_dir, hook, model=model)
        absent = [math.isnan(losses[1]) for losses in seen.losses]
        assert 0 < sum(absent) < 9
        for row, missing in zip(rows(work_dir), absent, strict=True):
            if row['losses']:
                assert (row['losses'][1] is None) == missing


@pytest.mark.parametrize('method', METHODS)
def test_mixed_precision(tmp_path, method):
    optim_wrapper = dict(toy.OPTIM_WRAPPER, type='Bfloat16OptimWrapper')
    hook = step_hook(method)
    _, exact = train(tmp_path / 'exact', hook)
    runner, seen = train(tmp_path / 'amp', hook, optim_wrapper=optim_wrapper)
    assert seen.losses != exact.losses  # it is in force
    torch.testing.assert_close(
        torch.tensor(seen.weights[:3]),
        torch.tensor(exact.weights[:3]),
        atol=0.1,
        rtol=0.05,
    )
    assert all(p.dtype == torch.float32 for p in runner.model.parameters())


def test_a_look_in_mixed_precision_sees_the_same_losses(tmp_path):
    still = dict(
        toy.OPTIM_WRAPPER,
        type='Bfloat16OptimWrapper',
        optimizer=dict(type='SGD', lr=0.0),
    )
    _, log = look(tmp_path, optim_wrapper=still)
    assert log['after'] == log['before']


def test_comparing_losses_takes_a_step_in_every_iteration(tmp_path):
    optim_wrapper = dict(toy.OPTIM_WRAPPER, accumulative_counts=2)
    with pytest.raises(
        ValueError, match='accumulative_counts` should be 1 .* Found 2'
    ):
        train(tmp_path, step_hook('Famo'), optim_wrapper=optim_wrapper)


def test_resumed_within_a_period_keeps_its_means(tmp_path):
    """A checkpoint after 4 iterations, periods of 3."""
    options = dict(
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=9),
        train_dataloader=dict(
            toy.dataloader(),
            sampler=dict(type='InfiniteSampler', shuffle=True),
        ),
        param_scheduler=[],
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=4, by_epoch=False)
        ),
    )
    hook = step_hook('UncertaintyWeighting', interval=3)
    _, first = train(tmp_path, hook, **options)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_4.pth'))
    _, again = train(tmp_path, hook, resume=True, **options)
    both = Seen()
    for name in ('weights', 'losses'):
        found = getattr(both, name)
        found += getattr(first, name)[:4] + getattr(again, name)
    for k, row in enumerate(rows(tmp_path)):
        assert_means(row, both, 3 * k, 3 * k + 3)


def test_an_unknown_objective_is_named(tmp_path):
    hook = step_hook('ScheduledWeighting', schedules=dict(c=1.0))
    with pytest.raises(ValueError, match=r"among \['a', 'b'\]. Found \['c'\]"):
        train(tmp_path, hook)


@pytest.mark.parametrize(('mode', 'warns'), [('lr', True), ('grad', False)])
def test_a_head_rule_that_does_not_keep_up_is_named(
    tmp_path, caplog, mode, warns
):
    runner = toy.runner(
        tmp_path,
        custom_hooks=[step_hook('RandomLossWeighting')],
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode=mode)),
        log_level='WARNING',
    )
    runner.logger.addHandler(caplog.handler)
    runner.train()
    assert ("`mode='grad'` is the exact one" in caplog.text) == warns
