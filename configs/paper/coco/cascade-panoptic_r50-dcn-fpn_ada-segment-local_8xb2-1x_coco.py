# Adapted by the policies of the search without r_imp.
_base_ = './cascade-panoptic_r50-dcn-fpn_ones_8xb2-1x_coco.py'

custom_hooks = [
    dict(
        type='PolicyWeightingHook',
        policy=_base_.policies.format(
            'cascade-panoptic_r50-dcn-fpn_ada-segment-local-search_8xb2-1x_coco'
        ),
        mode='comb',
    )
]
