# CAGrad: near the mean gradient, the step that is best for the loss that
# gains least. Needs TorchJD (requirements/torchjd.txt).
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='GradientWeightingHook',
        weighting=dict(
            type='AggregatorWeighting',
            aggregator='CAGrad',
            options=dict(c=0.5),
        ),
    ),
]
