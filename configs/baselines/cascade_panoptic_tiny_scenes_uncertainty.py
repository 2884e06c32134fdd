# Uncertainty weighting: log-variances learned beside the network, at a rate
# that a training of some hundred iterations leaves time for.
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='StepWeightingHook',
        weighting=dict(type='UncertaintyWeighting', lr=0.01),
    ),
]
