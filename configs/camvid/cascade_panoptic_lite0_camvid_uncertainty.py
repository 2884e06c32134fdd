# Log-variances learned beside the network, those of the region proposals too:
# eleven losses.
_base_ = './cascade_panoptic_lite0_camvid_ones.py'

model = dict(objectives='cascade_panoptic_rpn')
custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='StepWeightingHook',
        weighting=dict(type='UncertaintyWeighting', lr=0.01),
    ),
]
