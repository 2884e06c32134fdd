# Dynamic weight average: more for losses that fell little in the last epoch.
# It looks at ratios alone, so a wrong scale of a loss stays as it is.
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='LossWeightingHook',
        weighting=dict(type='DynamicWeightAverage', temperature=2.0),
    ),
]
