"""What all weighting hooks share; the rest is in the tests of each."""

import json

import pytest
from mmengine.registry import MODELS
from mmengine.runner import Runner

from mmada.engine import GradientWeightingHook, LossWeightingHook
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
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    hook = static(2.0, 0.5)
    train(whole, hook)
    killed_at(
        f'weights_file.{place}:3', lambda: train(killed, hook), monkeypatch
    )
    expected = weights_of(whole)
    assert [record['epoch'] for record in expected] == [1, 2, 3]
    assert weights_of(killed) == expected[:2]
    assert len(leftovers(killed)) == 1
    train(killed, hook, resume=True)
    assert weights_of(killed) == expected
    assert not leftovers(killed)


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
    ('hook', 'given', 'expected'),
    [
        ('LossWeightingHook', 'RandomLossWeighting', 'Weighting'),
        ('StepWeightingHook', 'DynamicWeightAverage', 'StepWeighting'),
    ],
)
def test_a_weighting_for_another_hook_is_refused(
    tmp_path, hook, given, expected
):
    message = f'`weighting.type` should be a {expected}; .*Found {given}[.]'
    with pytest.raises(ValueError, match=message):
        train(tmp_path, dict(type=hook, weighting=dict(type=given)))


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
