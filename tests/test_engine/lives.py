"""Live replicas of the toy problem, built without a Runner."""

import copy

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS

from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.segment import train_segment
from mmada.models import ObjectiveMeter
from tests.support import toy

TRUNK, HEAD_A, HEAD_B, NONE = (0, 1), (0,), (1,), ()
PARTS = dict(trunk=TRUNK, head_a=HEAD_A, head_b=HEAD_B, rpn=NONE)


def build(
    schedulers=(),
    detector='ToyDetector',
    owners=True,
    objectives=None,
    **options,
):
    """Builds model, optimizer and schedulers from one seed.

    Args:
        schedulers: Configs of parameter schedulers.
        detector: Type of the detector, or its config.
        objectives: In place of those of the toy problem.
        owners: Whether the head rule is told who owns which parameter.
        **options: Entries of the optimizer wrapper's config to replace.
    """
    torch.manual_seed(0)
    if isinstance(detector, str):
        detector = dict(type=detector)
    config = dict(copy.deepcopy(toy.MODEL), detector=detector)
    if objectives is not None:
        config['objectives'] = objectives
    model = MODELS.build(config)
    optim_wrapper = build_optim_wrapper(
        model, copy.deepcopy({**toy.OPTIM_WRAPPER, **options})
    )
    if owners:
        names = [name for name, _ in model.named_parameters()]
        optim_wrapper.head_rule.assign(
            {name: PARTS.get(name.split('.')[0], NONE) for name in names}
        )
    built = [
        PARAM_SCHEDULERS.build(
            dict(s), default_args=dict(optimizer=optim_wrapper)
        )
        for s in schedulers
    ]
    return LiveReplica(model, optim_wrapper, built)


def batch(*indices):
    """Returns these rows of the toy data as a batch."""
    rows = [toy.ToyDataset()[i] for i in indices]
    return dict(x=[r['x'] for r in rows], y=[r['y'] for r in rows])


def batches(count=3, start=0):
    """Returns batches of four rows, which wrap around after three."""
    return [
        batch(*(4 * ((start + i) % 3) + j for j in range(4)))
        for i in range(count)
    ]


def train(live, weights, index=0, count=3, **options):
    """Trains a segment of `count` iterations with these weights."""
    live.model.objective_weights.set(weights)
    return train_segment(
        live,
        [batches(count, index)],
        ObjectiveMeter(live.model.objective_weights.objectives),
        **{
            'first_iter': index * count,
            'max_iters': 12,
            'epoch_length': 3,
            'seed': 100 + index,
            **options,
        },
    )


def assert_equal(first, second, where=''):
    """Asserts that nested values are equal, tensors to the bit."""
    assert type(first) is type(second), where
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    elif isinstance(first, dict):
        assert list(first) == list(second), where
        for key, value in first.items():
            assert_equal(value, second[key], f'{where}/{key}')
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for i, pair in enumerate(zip(first, second, strict=True)):
            assert_equal(*pair, f'{where}/{i}')
    else:
        assert first == second, where
