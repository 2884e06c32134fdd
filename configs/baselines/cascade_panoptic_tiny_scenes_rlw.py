# Random loss weighting: new weights by chance in every iteration.
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='StepWeightingHook',
        weighting=dict(type='RandomLossWeighting', seed=0),
    ),
]
