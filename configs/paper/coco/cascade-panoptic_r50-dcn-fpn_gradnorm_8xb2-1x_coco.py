# GradNorm, by the gradients of the last shared layers.
_base_ = './cascade-panoptic_r50-dcn-fpn_ones_8xb2-1x_coco.py'

# The exact head rule for weights that change in every iteration.
optim_wrapper = dict(head_rule=dict(mode='grad'))
custom_hooks = [
    dict(
        type='GradientWeightingHook',
        weighting=dict(type='GradNorm', alpha=1.5, lr=0.025),
        parameters=r'neck\.fpn_convs',
    )
]
