# The search with R-101.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-1x_coco.py'

model = dict(
    detector=dict(
        backbone=dict(
            depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')
        )
    )
)
