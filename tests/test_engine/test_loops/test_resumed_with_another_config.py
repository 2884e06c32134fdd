"""A search that is resumed with settings that change its result, or not."""

import json

import pytest
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS
from torch.optim import SGD

from mmada.engine.exploration.state import identity_of
from mmada.engine.loops import parallel_exploration_loop as loop
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


@DATASETS.register_module()
class ScaledRows(toy.ToyDataset):
    """Rows of a file, as its pipeline scales them."""

    def __init__(self, ann_file, data_root='', pipeline=(), offset=0):
        super().__init__(offset=offset)
        for step in pipeline:
            self.x = self.x * step['scale']


@METRICS.register_module()
class PowerMetric(toy.ToyMetric):
    def __init__(self, power=1, **options):
        super().__init__(**options)
        self.power = power

    def compute_metrics(self, results):
        return super().compute_metrics([r**self.power for r in results])


@MODELS.register_module()
class ThresholdDetector(toy.ToyDetector):
    def __init__(self, test_cfg=None, init_cfg=None):
        super().__init__()


def search(work_dir, stop=False, **options):
    train_cfg = toy.exploration(
        target=dict(type='LossWeights', objectives=toy.OBJECTIVES)
    )
    defaults = dict(train_cfg=train_cfg, model=toy.MODEL['detector'])
    runner = toy.runner(work_dir, **defaults | options)
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


def rows(scale=2.0, ann_file='data/rows.json', **options):
    dataset = dict(
        type='ScaledRows',
        ann_file=ann_file,
        data_root='data',
        pipeline=[dict(scale=1.0), dict(scale=scale)],
    )
    return dict(toy.dataloader(), dataset=dataset | options)


def described(training=None, reward=None, metric=None, model=None):
    """Returns options of a search whose data and metric have options."""
    reward = reward or rows(offset=1)
    reward['sampler'] = dict(type='DefaultSampler', shuffle=False)
    detector = dict(type='ThresholdDetector', test_cfg=dict(score=0.1))
    return dict(
        model=detector | (model or {}),
        train_dataloader=training or rows(),
        train_cfg=toy.exploration(
            target=dict(type='LossWeights', objectives=toy.OBJECTIVES),
            reward_dataloader=reward,
            reward_evaluator=[dict(type='PowerMetric') | (metric or {})],
        ),
    )


@pytest.mark.parametrize(
    ('changed', 'differs'),
    [
        (dict(training=rows(3.0)), 'training_data.pipeline'),
        (dict(training=rows(ann_file='data/b.json')), 'training_data.ann_f'),
        (dict(reward=rows(3.0, offset=1)), 'reward_data.pipeline'),
        (dict(metric=dict(power=2)), 'reward_evaluator.0'),
        (dict(model=dict(test_cfg=dict(score=0.5))), 'model.test_cfg'),
    ],
)
def test_another_reward_or_other_data_are_refused(tmp_path, changed, differs):
    """The images are the same ones each time."""
    search(tmp_path, stop=True, **described())
    with pytest.raises(StateError) as caught:
        search(tmp_path, resume=True, **described(**changed))
    (line,) = str(caught.value).splitlines()[1:]
    assert line.strip().startswith(differs)


def test_data_that_moved_and_what_only_costs_time_change_no_bit(tmp_path):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    search(whole, **described())
    search(killed, stop=True, **described())
    moved = dict(ann_file='/fast/disk/rows.json', data_root='/fast/disk')
    reward = rows(offset=1, **moved) | dict(num_workers=1)
    training = rows(**moved) | dict(num_workers=1, prefetch_factor=3)
    search(
        killed,
        resume=True,
        **described(
            training,
            reward,
            metric=dict(collect_device='gpu'),
            model=dict(init_cfg=dict(type='Pretrained', checkpoint='a.pth')),
        ),
    )
    assert digests(killed) == digests(whole)


def test_a_state_of_before_data_were_compared_is_resumed(
    tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(loop, 'identity_of', _without_data)
        search(tmp_path, stop=True, **described())
    search(tmp_path, resume=True, **described(metric=dict(power=2)))
    assert len(digests(tmp_path)) == 3


def _without_data(*args):
    identity = identity_of(*args)
    for name in ('training_data', 'reward_data', 'reward_evaluator', 'model'):
        del identity[name]
    return identity


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
