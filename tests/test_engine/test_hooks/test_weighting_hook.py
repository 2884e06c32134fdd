"""What all weighting hooks share; the rest is in the tests of each."""

import copy
import json

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.registry import HOOKS, MODELS
from mmengine.runner import Runner

from mmada.engine import GradientWeightingHook, LossWeightingHook
from mmada.models import ObjectiveError
from mmada.utils.files import leftovers
from mmada.utils.seeding import seed_all
from tests.support import toy
from tests.test_engine.test_state.states import killed_at


def train(work_dir, hook, **options):
    runner = toy.runner(work_dir, custom_hooks=[hook], **options)
    runner.train()


def static(*weights):
    weighting = dict(type='StaticWeighting', weights=list(weights))
    return dict(type='LossWeightingHook', weighting=weighting)


def test_a_checkpoint_of_another_method_is_refused(tmp_path):
    train(tmp_path, static(2.0, 0.5))
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    hook = dict(
        type='LossWeightingHook', weighting=dict(type='InverseLossWeighting')
    )
    with pytest.raises(
        ValueError, match='checkpoint, StaticWeighting. Found InverseLossW'
    ):
        train(tmp_path, hook, resume=True)


def test_a_resume_without_the_constructor_is_refused_by_name(tmp_path):
    """Not by torch, which counts groups of parameters."""
    train(tmp_path, static(2.0, 0.5))
    options = dict(toy.OPTIM_WRAPPER)
    del options['constructor']
    with pytest.raises(ValueError, match='`optim_wrapper.constructor` should'):
        train(tmp_path, static(2.0, 0.5), resume=True, optim_wrapper=options)


def weights_of(work_dir):
    lines = (work_dir / 'weights.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize('place', ['inside_write', 'before_rename'])
def test_a_kill_while_weights_are_written_loses_no_period(
    tmp_path, place, monkeypatch
):
    hook = static(2.0, 0.5)
    train(tmp_path, hook)
    expected = weights_of(tmp_path)
    assert [record['epoch'] for record in expected] == [1, 2, 3]
    # The first line of a resumed run replaces the file.
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    killed_at(
        f'weights_file.{place}:1',
        lambda: train(tmp_path, hook, resume=True),
        monkeypatch,
    )
    assert weights_of(tmp_path) == expected
    assert len(leftovers(tmp_path)) == 1
    train(tmp_path, hook, resume=True)
    assert weights_of(tmp_path) == expected
    assert not leftovers(tmp_path)


@pytest.mark.parametrize(
    'hook',
    [
        dict(
            type='StepWeightingHook',
            weighting=dict(type='UncertaintyWeighting'),
        ),
        dict(
            type='LossWeightingHook',
            weighting=dict(type='InverseLossWeighting'),
        ),
    ],
)
def test_a_runner_of_objects_is_one_of_configs(tmp_path, hook):
    """A built dataloader gives the training of its config."""

    def trained(work_dir, dataloader):
        seed_all(3)
        runner = Runner(
            MODELS.build(toy.SMOOTH),
            train_dataloader=dataloader,
            work_dir=str(tmp_path / work_dir),
            train_cfg=dict(by_epoch=True, max_epochs=2),
            optim_wrapper=toy.OPTIM_WRAPPER,
            custom_hooks=[hook],
            randomness=dict(seed=7),
            experiment_name=f'{work_dir}{tmp_path.name}',
            log_level='ERROR',
        )
        runner.train()
        return toy.state_of(runner.model), weights_of(tmp_path / work_dir)

    config = toy.dataloader()
    objects = trained('objects', Runner.build_dataloader(config, seed=7))
    configs = trained('configs', config)
    toy.assert_same_state(objects[0], configs[0])
    assert objects[1] == configs[1]


def test_an_objective_absent_from_the_first_batch_is_found(tmp_path):
    """However short a period is, several batches are looked at."""
    train(
        tmp_path,
        dict(static(2.0, 0.5), interval=1),
        model=dict(toy.MODEL, detector=dict(type='LateTrunkDetector')),
    )


@toy.MODELS.register_module()
class LateTrunkDetector(toy.ToyDetector):
    """Without `loss_b` at first."""

    _calls = 0

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        self._calls += 1
        if self._calls == 1:
            del found['loss_b']
        return found


@toy.MODELS.register_module()
class MatureDetector(toy.ToyDetector):
    """Has a loss more, before the others, once it is trained."""

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        if mode == 'loss' and self.trunk[1].num_batches_tracked > 5:
            found = dict(loss_new=found['loss_a'] * 0.1, **found)
        return found


def test_objectives_auto_are_those_of_the_checkpoint_after_a_resume(tmp_path):
    hook = static(2.0, 0.5, 3.0)
    model = dict(
        type='LossWeightWrapper', detector=dict(type='MatureDetector')
    )
    train(tmp_path, hook, model=model)
    names = ['loss_rpn', 'loss_a', 'loss_b']
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    train(tmp_path, hook, model=model, resume=True)
    state = toy.torch.load(tmp_path / 'epoch_3.pth', weights_only=False)
    assert state['mmada_loss_weighting']['objectives'] == names


@pytest.mark.parametrize(
    ('hook', 'given', 'expected', 'known', 'hint'),
    [
        (
            'LossWeightingHook',
            'RandomLossWeighting',
            'Weighting',
            'DynamicWeightAverage, .*InverseLossWeighting',
            'It belongs to StepWeightingHook.',
        ),
        (
            'StepWeightingHook',
            'InverseLossWeighting',
            'StepWeighting',
            'Famo, .*RandomLossWeighting',
            'It belongs to LossWeightingHook.',
        ),
        (
            'GradientWeightingHook',
            'GradNrom',
            'GradientWeighting',
            'AggregatorWeighting, .*GradNorm',
            "Did you mean 'GradNorm'[?]",
        ),
    ],
)
def test_a_weighting_for_another_hook_is_refused_when_it_is_built(
    hook, given, expected, known, hint
):
    message = (
        f'`weighting.type` should be a registered {expected}, .*{known}'
        f".*Found '{given}'[.] {hint} A class"
    )
    with pytest.raises(ValueError, match=message):
        HOOKS.build(dict(type=hook, weighting=dict(type=given)))


def test_options_that_a_weighting_does_not_have_are_named_at_once():
    weighting = dict(type='UncertaintyWeighting', learning_rate=0.1)
    message = (
        '`weighting` should have options of UncertaintyWeighting: lr, '
        "normalize. Found 'learning_rate' besides."
    )
    with pytest.raises(ValueError, match=message):
        HOOKS.build(dict(type='StepWeightingHook', weighting=weighting))


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('every', None),
        ('every', 1.5),
        ('every', True),
        ('interval', 2.5),
        ('interval', '2'),
        ('interval', 0),
    ],
)
def test_what_is_no_number_of_iterations_is_named(name, value):
    with pytest.raises(ValueError, match=f'`{name}`.* integer') as caught:
        GradientWeightingHook({}, **{name: value})
    assert repr(value) in str(caught.value)


def test_where_none_has_a_meaning_it_is_valid():
    GradientWeightingHook({}, interval=None)
    LossWeightingHook({}, interval=None, probe_iters=None)


def step_hook(**options):
    weighting = dict(type='UncertaintyWeighting')
    return dict(type='StepWeightingHook', weighting=weighting, **options)


def gradient_hook(**options):
    weighting = dict(type='GradNorm')
    return dict(type='GradientWeightingHook', weighting=weighting, **options)


@pytest.mark.parametrize(
    'hook', [static(2.0, 0.5), step_hook(), gradient_hook()]
)
def test_a_stock_model_is_weighted_as_one_in_a_wrapper(hook, tmp_path):
    """To the bit, and its checkpoint is that of the stock model."""
    states = []
    for name, model, options in (
        ('wrapped', toy.MODEL, {}),
        ('stock', toy.MODEL['detector'], dict(objectives=toy.OBJECTIVES)),
    ):
        train(tmp_path / name, {**hook, **options}, model=copy.deepcopy(model))
        found = torch.load(tmp_path / name / 'epoch_3.pth', weights_only=False)
        states.append(found['state_dict'])
        assert len(weights_of(tmp_path / name)) == 3
    toy.assert_same_state(*states)
    bare = toy.MODELS.build(dict(type='ToyDetector'))
    assert not any(bare.load_state_dict(states[1], strict=True))


def test_every_loss_of_a_stock_model_counts_by_default(tmp_path):
    train(tmp_path, static(2.0, 0.5, 1.0), model=dict(type='ToyDetector'))
    assert weights_of(tmp_path)[0]['objectives'] == [
        'loss_rpn',
        'loss_a',
        'loss_b',
    ]


def test_objectives_are_given_once(tmp_path):
    hook = dict(static(2.0), objectives=dict(a='loss_a'))
    with pytest.raises(ValueError, match='`objectives` should be set once'):
        train(tmp_path, hook)


@HOOKS.register_module()
class FreezeHook(Hook):
    """Freezes a part of the model before the epoch `until`."""

    def __init__(self, part, until):
        self.part, self.until = part, until

    def before_train(self, runner):
        self._set(runner, self.until == 0)

    def before_train_epoch(self, runner):
        self._set(runner, runner.epoch >= self.until)

    def _set(self, runner, trains):
        runner.model.get_submodule(self.part).requires_grad_(trains)


@HOOKS.register_module()
class ReplicaFreezeHook(FreezeHook):
    """Is called where the model is looked at, and freezes only there."""

    in_replicas = 'stateful'

    def before_train(self, runner):
        pass


@HOOKS.register_module()
class StepHook(Hook):
    """Keeps factor and length of the steps of `head_b`."""

    priority = 'VERY_LOW'
    factors = []
    owners = None

    def before_train(self, runner):
        type(self).factors = []

    def after_train_iter(self, runner, *args, **kwargs):
        weight = runner.model.head_b.weight
        rule = runner.optim_wrapper.head_rule
        for group, factor in zip(
            runner.optim_wrapper.optimizer.param_groups,
            rule._factors(),
            strict=True,
        ):
            if group['params'][0] is weight:
                self.factors.append(factor)
                type(self).owners = group['objectives']


@pytest.mark.parametrize('mode', ['lr', 'grad'])
@pytest.mark.parametrize('kind', ['FreezeHook', 'ReplicaFreezeHook'])
def test_a_head_that_is_unfrozen_later_is_shielded(kind, mode, tmp_path):
    moved = []
    for weight in (1.0, 4.0):
        runner = toy.runner(
            tmp_path / str(weight),
            param_scheduler=None,
            optim_wrapper=dict(
                toy.OPTIM_WRAPPER,
                head_rule=dict(mode=mode),
                optimizer=dict(type='SGD', lr=0.05),
            ),
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2),
            custom_hooks=[
                static(1.0, weight),
                dict(type=kind, part='head_b', until=1),
                dict(type=kind, part='trunk', until=9),
                dict(type='StepHook'),
            ],
        )
        before = runner.model.head_b.weight.detach().clone()
        runner.train()
        moved.append(runner.model.head_b.weight.detach() - before)
        assert StepHook.owners == [1]
        assert StepHook.factors[3:] == [1 / weight] * 3
    # The trunk stands still, so a shielded head goes the same way.
    assert moved[0].abs().sum() > 0
    torch.testing.assert_close(moved[0], moved[1])


def test_gradients_are_compared_where_the_trunk_trains(tmp_path):
    runner = toy.runner(
        tmp_path,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
        custom_hooks=[
            gradient_hook(),
            dict(type='FreezeHook', part='trunk.0', until=1),
        ],
    )
    sizes = []

    class Sizes(Hook):
        def after_train_iter(self, runner, *args, **kwargs):
            (hook,) = (
                h for h in runner.hooks if isinstance(h, GradientWeightingHook)
            )
            sizes.append(sum(hook._gradients._sizes))

    runner.register_hook(Sizes(), priority='VERY_LOW')
    runner.train()
    assert sizes == [16] * 3 + [16 + 4 * 8 + 8] * 6  # norm, then the layer


@toy.MODELS.register_module()
class LaterDetector(toy.ToyDetector):
    """Has a third loss from the second epoch on."""

    epoch = 0

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        if mode == 'loss' and self.epoch > 0:
            features = self.trunk(torch.stack(list(x)))
            found['loss_late'] = self.head_b(features).square().mean()
        return found


@HOOKS.register_module()
class EpochHook(Hook):
    """Tells the model the epoch, as YOLOX is told when L1 begins."""

    def before_train_epoch(self, runner):
        runner.model.epoch = runner.epoch


LATE = dict(a='loss_a', b='loss_b')


@pytest.mark.parametrize(
    'hook', [static(2.0, 0.5, 3.0), step_hook(), gradient_hook()]
)
def test_a_late_loss_is_an_objective_of_its_own(hook, tmp_path):
    late = dict(pattern='loss_late', late=True)
    toy.runner(
        tmp_path,
        model=dict(type='LaterDetector'),
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode='grad')),
        custom_hooks=[
            {**hook, 'objectives': dict(LATE, late=late)},
            dict(type='EpochHook'),
            dict(type='StepHook'),
        ],
    ).train()
    records = weights_of(tmp_path)
    assert records[-1]['losses'][2] > 0
    assert StepHook.owners == [1, 2]
    if hook['type'] == 'LossWeightingHook':
        # Before: that of b alone; then of both, from the iteration after
        # the one in which the loss appeared.
        first, second = 1 / 0.5, 1 / ((0.5 + 3) / 2)
        assert StepHook.factors == [first] * 4 + [second] * 5


def test_a_loss_that_never_comes_is_refused_unless_it_may_be_late(tmp_path):
    hook = dict(static(2.0, 0.5, 1.0), objectives=dict(LATE, late='loss_late'))
    with pytest.raises(ObjectiveError, match=r"'late'.*late=True"):
        train(tmp_path, hook, model=dict(type='LaterDetector'))


def test_objectives_by_patterns_are_not_resumed_as_auto(tmp_path):
    train(tmp_path, static(2.0, 0.5))
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    with pytest.raises(ObjectiveError, match="were named by patterns.*'auto'"):
        train(
            tmp_path,
            static(2.0, 0.5, 1.0),
            model=dict(toy.MODEL, objectives='auto'),
            resume=True,
        )


def test_two_hooks_that_weigh_are_refused(tmp_path):
    with pytest.raises(ValueError, match='one hook.*Found Loss.*, Step'):
        toy.runner(
            tmp_path, custom_hooks=[static(2.0, 0.5), step_hook()]
        ).train()


def test_a_look_at_a_resumed_loop_by_iterations_is_in_its_epoch(tmp_path):
    """Its epoch is 0 throughout, so there is no late loss."""

    def run(iterations, **options):
        toy.runner(
            tmp_path,
            model=dict(type='HubDetector'),
            custom_hooks=[dict(static(2.0, 0.5), objectives=toy.OBJECTIVES)],
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
            default_hooks=dict(
                checkpoint=dict(
                    type='CheckpointHook', interval=6, by_epoch=False
                )
            ),
            **options,
        ).train()

    run(6)
    HubDetector.epochs.clear()
    run(7, resume=True)
    assert HubDetector.epochs == {0}


@MODELS.register_module()
class HubDetector(toy.ToyDetector):
    """Notes the epochs that MessageHub tells it."""

    epochs = set()

    def forward(self, x, y, mode='tensor'):
        if mode == 'loss':
            hub = MessageHub.get_current_instance()
            self.epochs.add(hub.get_info('epoch'))
        return super().forward(x, y, mode)
