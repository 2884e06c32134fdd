# Weights inverse to the losses of each kind in the epoch before, full size: no
# search, no policy, the cost of one training and a pseudo epoch. The losses of
# the region proposals keep weight 1.
_base_ = './cascade_panoptic_r50_1x_uncertainty.py'

model = dict(objectives='cascade_kinds')

custom_hooks = [
    dict(
        type='LossWeightingHook',
        weighting=dict(type='InverseLossWeighting'),
    )
]
