import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook

from mmada.engine import EpochSeedHook
from mmada.utils.seeding import derive_seed
from tests.support import toy


def draw():
    return random.random(), np.random.random(), torch.rand(()).item()


def drawn(seed=7, epoch=0, rank=0):
    """What the generators give after the hook acted."""
    EpochSeedHook().before_train_epoch(
        SimpleNamespace(seed=seed, epoch=epoch, rank=rank)
    )
    return draw()


def test_seeds_follow_from_seed_epoch_and_rank():
    expected = derive_seed(7, 'epoch', 2, 1)
    found = drawn(7, 2, 1)
    random.seed(expected)
    np.random.seed(expected)
    torch.manual_seed(expected)
    assert draw() == found


def test_what_ran_before_does_not_matter():
    first = drawn()
    draw()
    assert drawn() == first


@pytest.mark.parametrize('change', [dict(seed=8), dict(epoch=1), dict(rank=1)])
def test_each_of_them_counts(change):
    assert not set(drawn(**change)) & set(drawn())


class Recorder(Hook):
    """Draws where other hooks would, at the start of an epoch."""

    priority = 'HIGHEST'

    def __init__(self):
        self.draws = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == 0:
            self.draws.append(draw()[:2])


def test_acts_in_each_epoch_of_a_training(tmp_path):
    recorder = Recorder()
    runner = toy.runner(tmp_path, custom_hooks=[dict(type='EpochSeedHook')])
    runner.register_hook(recorder)
    runner.train()
    assert recorder.draws == [drawn(7, epoch)[:2] for epoch in range(3)]


def test_acts_before_hooks_of_usual_priority(tmp_path):
    runner = toy.runner(
        tmp_path,
        custom_hooks=[
            dict(type='SyncBuffersHook'),
            dict(type='EpochSeedHook'),
        ],
    )
    names = [type(hook).__name__ for hook in runner.hooks]
    assert names.index('EpochSeedHook') < names.index('SyncBuffersHook')
