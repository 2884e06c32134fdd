"""Trains on one rank or several, from the last checkpoint if there is one.

Argument: work directory.
"""

import sys

from tests.support import processes, toy

training = toy.dataloader()
training['batch_size'] //= processes.world_size()
toy.runner(
    sys.argv[1],
    train_dataloader=training,
    custom_hooks=[
        dict(type='EpochSeedHook'),
        dict(
            type='LossWeightingHook',
            weighting=dict(type='InverseLossWeighting'),
        ),
    ],
    resume=True,
    **processes.join(),
).train()
processes.leave()
