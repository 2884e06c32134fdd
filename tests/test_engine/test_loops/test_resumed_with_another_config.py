"""A search that is resumed with settings that change its result, or not."""

import json

import pytest
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch.optim import SGD

from mmada.engine.state import StateError
from tests.support import toy


class Stopped(Exception):
    pass


class StopAfterFirstRound(Hook):
    def after_exploration_round(self, runner, record):
        raise Stopped


@HOOKS.register_module()
class OnlyWatchingHook(Hook):
    priority = 'VERY_HIGH'
    in_replicas = 'silent'


def search(work_dir, stop=False, **options):
    train_cfg = toy.exploration(
        target=dict(type='LossWeights', objectives=toy.OBJECTIVES)
    )
    options = dict(train_cfg=train_cfg) | options
    runner = toy.runner(work_dir, model=toy.MODEL['detector'], **options)
    if stop:
        runner.register_hook(StopAfterFirstRound())
        with pytest.raises(Stopped):
            runner.train()
    else:
        runner.train()


def digests(work_dir):
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line)['digest'] for line in lines]


def optim(**options):
    return dict(optim_wrapper=dict(toy.OPTIM_WRAPPER, **options))


def other_losses():
    objectives = dict(a='loss_a', b='loss_(b|rpn)')
    target = dict(type='LossWeights', objectives=objectives)
    return dict(train_cfg=toy.exploration(target=target))


@pytest.mark.parametrize(
    ('options', 'differs'),
    [
        (optim(optimizer=dict(type='SGD', lr=0.5)), 'optimizer.lr: stored 0'),
        (optim(optimizer=dict(type='Adam', lr=0.05)), 'this run "Adam"'),
        (optim(head_rule=dict(mode='grad')), 'head_rule.mode: '),
        (optim(clip_grad=dict(max_norm=1)), 'clip_grad.max_norm: '),
        (optim(accumulative_counts=3), 'accumulative_counts: '),
        (dict(param_scheduler=[]), r'param_scheduler.*this run \[\]'),
        (other_losses(), r'patterns.b: stored \["loss_b"\]'),
        (dict(custom_hooks=[dict(type='EMAHook')]), r'hooks: .*\["EMAHook"\]'),
        (
            dict(train_dataloader=toy.dataloader(shuffle=False)),
            'order.sampler.shuffle: stored true',
        ),
    ],
)
def test_what_changes_the_result_is_refused(tmp_path, options, differs):
    search(tmp_path, stop=True)
    with pytest.raises(StateError, match=f'(?s)different run.*{differs}'):
        search(tmp_path, resume=True, **options)


def test_another_hook_that_only_watches_changes_no_bit(tmp_path):
    average = dict(type='EMAHook', momentum=0.3)
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    search(whole, custom_hooks=[average])
    search(killed, stop=True, custom_hooks=[average])
    hooks = [dict(type='OnlyWatchingHook'), average]
    search(killed, resume=True, custom_hooks=hooks)
    assert digests(killed) == digests(whole)


def test_a_class_in_place_of_its_name_is_the_same_search(tmp_path):
    search(tmp_path, stop=True)
    optimizer = dict(toy.OPTIM_WRAPPER['optimizer'])
    optimizer['type'] = SGD
    search(tmp_path, resume=True, **optim(optimizer=optimizer))
    assert len(digests(tmp_path)) == 3


def test_a_limit_that_is_infinite_can_be_compared(tmp_path):
    """As where gradients are clipped for the sake of their logged norm."""
    options = optim(clip_grad=dict(max_norm=float('inf')))
    search(tmp_path, stop=True, **options)
    search(tmp_path, resume=True, **options)
    assert len(digests(tmp_path)) == 3
