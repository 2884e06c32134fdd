# Panoptic FPN, adapted.
_base_ = './panoptic-fpn_r50-fpn_ones_8xb2-1x_coco.py'

custom_hooks = [
    dict(
        type='PolicyWeightingHook',
        policy=_base_.policies.format(
            'panoptic-fpn_r50-fpn_ada-segment-search_8xb2-1x_coco'
        ),
        mode='comb',
    )
]
