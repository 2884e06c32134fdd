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


def train_by_iterations(work_dir, options):
    """Trains twelve iterations on twelve images, four an iteration."""
    training = {**toy.dataloader(), **options}
    training['batch_size'] //= processes.world_size()
    training['sampler'] = dict(type='InfiniteSampler', shuffle=True)
    toy.runner(
        work_dir,
        train_dataloader=training,
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=12),
        param_scheduler=[],
        default_hooks=dict(checkpoint=None),
        custom_hooks=[
            dict(
                type='LossWeightingHook',
                weighting=dict(type='InverseLossWeighting'),
            ),
        ],
        **processes.join(),
    ).train()
