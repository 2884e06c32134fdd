"""Algorithm 1, then inverse-loss weighting, on one rank or several."""

from tests.support import processes, toy


def train(work_dir):
    """Trains twice, in two folders of the work directory."""
    options = dict(model=toy.SMOOTH, **processes.join())
    training = toy.dataloader()
    training['batch_size'] //= processes.world_size()
    toy.runner(
        f'{work_dir}/policy',
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
        f'{work_dir}/inverse',
        train_dataloader=training,
        custom_hooks=[
            dict(
                type='LossWeightingHook',
                weighting=dict(type='InverseLossWeighting'),
            )
        ],
        **options,
    ).train()
