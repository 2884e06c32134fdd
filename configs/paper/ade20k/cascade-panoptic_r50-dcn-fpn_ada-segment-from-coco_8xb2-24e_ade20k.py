# Transfer: COCO's policy on ADE20K.
_base_ = './cascade-panoptic_r50-dcn-fpn_ones_8xb2-24e_ade20k.py'

custom_hooks = [
    dict(
        type='PolicyWeightingHook',
        policy=_base_.policies.format(
            'cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-1x_coco'
        ),
        mode='comb',
        initial_losses='probe',  # the policy's are COCO's
    )
]
