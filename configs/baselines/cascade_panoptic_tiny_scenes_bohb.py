# Static weights by BOHB: a round is an epoch, a whole training has as many as
# the baselines', and poor candidates are stopped after one or three of them.
# Then a training with the best weights.
_base_ = '../ada/cascade_panoptic_tiny_scenes.py'

train_cfg = dict(
    exploration=dict(
        num_rounds=12,
        controller=dict(
            _delete_=True,
            type='BohbSearch',
            num_replicas=4,
            rounds_per_training=6,
            reduction_factor=2,
        ),
    ),
)

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(type='PolicyWeightingHook', mode='final'),
]
