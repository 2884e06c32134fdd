# A long training by the policies of a search as long.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment-from-1x_8xb2-2x_coco.py'

custom_hooks = [
    dict(
        type='PolicyWeightingHook',
        policy=_base_.policies.format(
            'cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-2x_coco'
        ),
        mode='comb',
    )
]
