"""Explores with replicas of two ranks, or of one, as there are."""

import math
import os

from mmengine.registry import MODELS

from tests.support import processes, toy
from tests.test_engine.test_loops import test_reward_sums


@MODELS.register_module()
class BrokenDetector(toy.SmoothDetector):
    """Its loss is NaN on the last rank alone, in the ninth call."""

    transient_attributes = ('calls',)

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


def explore(work_dir, detector, **options):
    """Explores with two replicas.

    Args:
        work_dir: Directory of the run.
        detector: Name of the detector.
        **options: More of the loop.
    """
    toy.runner(
        work_dir,
        model=dict(toy.MODEL, detector=dict(type=detector)),
        train_cfg=toy.exploration(
            num_rounds=2,
            controller=dict(type='AdaSegment', num_replicas=2),
            reward_evaluator=dict(type='PairMetric'),
            reward_metric=test_reward_sums.SUM,
            ranks_per_replica=min(2, processes.world_size()),
            **options,
        ),
        **processes.join(),
    ).train()
