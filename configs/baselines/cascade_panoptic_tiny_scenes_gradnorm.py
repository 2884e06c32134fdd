# GradNorm: weights learned beside the network, so that the trunk's gradients
# become equal in size. Like the paper it looks at the last shared layers.
_base_ = './cascade_panoptic_tiny_scenes_misscaled.py'

custom_hooks = [
    dict(type='EpochSeedHook'),
    dict(
        type='GradientWeightingHook',
        weighting=dict(type='GradNorm', alpha=1.5, lr=0.025),
        parameters=r'neck\.fpn_convs',
    ),
]
