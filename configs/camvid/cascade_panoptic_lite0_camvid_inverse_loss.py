# Weights inverse to the ten losses, recomputed every epoch.
_base_ = './cascade_panoptic_lite0_camvid_ones.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='LossWeightingHook',
        weighting=dict(type='InverseLossWeighting'),
    ),
]
