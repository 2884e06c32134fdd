# Ada-Segment on ADE20K.
_base_ = './cascade-panoptic_r50-dcn-fpn_ones_8xb2-24e_ade20k.py'

custom_hooks = [
    dict(
        type='PolicyWeightingHook',
        policy=_base_.policies.format(
            'cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-24e_ade20k'
        ),
        mode='comb',
    )
]
