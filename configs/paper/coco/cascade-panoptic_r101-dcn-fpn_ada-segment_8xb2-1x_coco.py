# R-101 by its own policies.
_base_ = './cascade-panoptic_r101-dcn-fpn_ada-segment-from-r50_8xb2-1x_coco.py'

custom_hooks = [
    dict(
        type='PolicyWeightingHook',
        policy=_base_.policies.format(
            'cascade-panoptic_r101-dcn-fpn_ada-segment-search_8xb2-1x_coco'
        ),
        mode='comb',
    )
]
