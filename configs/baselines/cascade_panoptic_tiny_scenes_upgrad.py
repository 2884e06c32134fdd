# UPGrad: each loss's gradient without what would raise another loss. Needs
# TorchJD (requirements/torchjd.txt).
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='GradientWeightingHook',
        weighting=dict(type='AggregatorWeighting', aggregator='UPGrad'),
    ),
]
