"""Algorithm 1, then inverse-loss weighting, on one rank or several.

Argument: work directory.
"""

import sys

from mmengine.registry import MODELS
from torch import nn

from tests.support import processes, toy


@MODELS.register_module()
class SmoothDetector(toy.ToyDetector):
    """Without what depends on the batch of a rank or draws per rank."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 8), nn.Tanh())


options = dict(
    model=dict(toy.MODEL, detector=dict(type='SmoothDetector')),
    **processes.join(),
)
training = toy.dataloader()
training['batch_size'] //= processes.world_size()
toy.runner(
    f'{sys.argv[1]}/policy',
    train_dataloader=training,
    train_cfg=dict(
        type='ExploreThenTrainLoop',
        exploration=toy.exploration(
            num_rounds=2,
            controller=dict(type='AdaSegment', num_replicas=2),
            dataloader=toy.dataloader(),
        ),
        training=dict(type='EpochBasedTrainLoop', max_epochs=3),
    ),
    custom_hooks=[dict(type='PolicyWeightingHook')],
    **options,
).train()
toy.runner(
    f'{sys.argv[1]}/inverse',
    train_dataloader=training,
    custom_hooks=[
        dict(
            type='LossWeightingHook',
            weighting=dict(type='InverseLossWeighting'),
        )
    ],
    **options,
).train()
processes.leave()
