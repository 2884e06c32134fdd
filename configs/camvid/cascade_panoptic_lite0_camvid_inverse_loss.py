# Weights inverse to the losses of each kind, recomputed every epoch.
_base_ = './cascade_panoptic_lite0_camvid_ones.py'

model = dict(objectives='cascade_kinds')

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='LossWeightingHook',
        weighting=dict(type='InverseLossWeighting'),
    ),
]
