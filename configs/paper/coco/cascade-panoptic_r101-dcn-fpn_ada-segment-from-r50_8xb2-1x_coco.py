# Transfer: the policy of R-50 with R-101.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment_8xb2-1x_coco.py'

model = dict(
    detector=dict(
        backbone=dict(
            depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')
        )
    )
)
custom_hooks = [dict(_base_.custom_hooks[0], initial_losses='probe')]
