"""Trains on one rank or several."""

from tests.support import processes, toy


def train(work_dir):
    """Trains, from the last checkpoint if there is one."""
    training = toy.dataloader()
    training['batch_size'] //= processes.world_size()
    toy.runner(
        work_dir,
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
