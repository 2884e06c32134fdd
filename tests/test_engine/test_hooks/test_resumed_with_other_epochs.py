"""Epochs of another length after a resume, as with more ranks."""

import json

import pytest
import torch
from mmengine.hooks import Hook

from mmada.engine import save_policy
from mmada.policies import GroupPolicy, PolicyEnsemble
from tests.support import toy


class Stopped(Exception):
    pass


class Stop(Hook):
    priority = 'LOWEST'

    def before_train_epoch(self, runner):
        if runner.epoch == 2:
            raise Stopped


def train(work_dir, hook, batch_size, resume=False, **options):
    """Trains 4 epochs, the first time up to the third one."""
    runner = toy.runner(
        work_dir,
        model=toy.MODEL['detector'],
        train_dataloader=dict(toy.dataloader(), batch_size=batch_size),
        custom_hooks=[dict(hook, objectives=toy.OBJECTIVES)],
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=4),
        resume=resume,
        **options,
    )
    if resume:
        runner.train()
        return
    runner.register_hook(Stop())
    with pytest.raises(Stopped):
        runner.train()


def rows(work_dir):
    lines = (work_dir / 'weights.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def policy_hook(folder):
    path = folder / 'some.safetensors'
    ones = torch.ones(2, dtype=torch.float64)
    policies = (GroupPolicy(2, None, 1.0),)
    save_policy(path, PolicyEnsemble(policies, ones, ones).named(('a', 'b')))
    return dict(type='PolicyWeightingHook', policy=str(path))


@pytest.mark.parametrize('sizes', [(4, 2), (2, 4)])
@pytest.mark.parametrize('kind', ['inverse', 'policy'])
def test_a_period_is_an_epoch_of_the_new_length(tmp_path, sizes, kind):
    hook = dict(
        type='LossWeightingHook', weighting=dict(type='InverseLossWeighting')
    )
    if kind == 'policy':
        hook = policy_hook(tmp_path)
    train(tmp_path, hook, sizes[0])
    train(tmp_path, hook, sizes[1], resume=True)
    assert [row['epoch'] for row in rows(tmp_path)] == [1, 2, 3, 4]


@pytest.mark.parametrize('sizes', [(4, 2), (2, 4)])
def test_planned_weights_go_on_in_the_new_epoch(tmp_path, sizes):
    schedules = dict(a=dict(points=[[0, 1], [1, 5]]))
    hook = dict(
        type='StepWeightingHook',
        weighting=dict(type='ScheduledWeighting', schedules=schedules),
    )
    train(tmp_path, hook, sizes[0])
    train(tmp_path, hook, sizes[1], resume=True)
    length = 12 // sizes[1]
    middle = (length - 1) / length / 2  # of the iterations of an epoch
    found = [row['weights'][0] for row in rows(tmp_path)][2:]
    assert found == pytest.approx([3 + middle, 4 + middle])


def test_weights_still_change_between_steps_alone(tmp_path):
    hook = dict(
        type='LossWeightingHook', weighting=dict(type='InverseLossWeighting')
    )
    optim = dict(toy.OPTIM_WRAPPER, accumulative_counts=4)
    train(tmp_path, hook, 4, optim_wrapper=optim)
    train(tmp_path, hook, 2, resume=True, optim_wrapper=optim)
    assert [row['epoch'] for row in rows(tmp_path)] == [1, 2, 3, 4]
