# PCGrad: of two gradients in conflict each is projected off the other. Needs
# TorchJD (requirements/torchjd.txt).
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='GradientWeightingHook',
        weighting=dict(type='AggregatorWeighting', aggregator='PCGrad'),
    ),
]
