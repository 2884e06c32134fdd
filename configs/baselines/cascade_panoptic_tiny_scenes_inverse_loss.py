# Weights inverse to the losses, recomputed every epoch: where the policy
# starts, without a population and without learning.
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='LossWeightingHook',
        weighting=dict(type='InverseLossWeighting'),
    ),
]
