"""Explores with replicas of two ranks, or of one, as the number of ranks is.

Arguments: work directory, and which detector.
"""

import math
import os
import sys

from mmengine.registry import MODELS
from torch import nn

from tests.support import processes, toy
from tests.test_engine.test_loops import test_reward_sums


@MODELS.register_module()
class SmoothDetector(toy.ToyDetector):
    """Without what depends on the batch of a rank or draws per rank."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 8), nn.Tanh())


@MODELS.register_module()
class BrokenDetector(SmoothDetector):
    """Its loss is NaN on the last rank alone, in the ninth call."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x, y, mode='tensor'):
        losses = super().forward(x, y, mode)
        if mode == 'loss':
            self.calls += 1
            if self.calls == 9 and os.environ['RANK'] == '1':
                losses['loss_a'] = losses['loss_a'] * math.nan
        return losses


toy.runner(
    sys.argv[1],
    model=dict(toy.MODEL, detector=dict(type=sys.argv[2])),
    train_cfg=toy.exploration(
        num_rounds=2,
        controller=dict(type='AdaSegment', num_replicas=2),
        reward_evaluator=dict(type='PairMetric'),
        reward_metric=test_reward_sums.SUM,
        ranks_per_replica=min(2, int(os.environ['WORLD_SIZE'])),
    ),
    **processes.join(),
).train()
processes.leave()
