# Panoptic FPN on ADE20K, adapted; not in the paper.
_base_ = './panoptic-fpn_r50-fpn_ones_8xb2-24e_ade20k.py'

custom_hooks = [
    dict(
        type='PolicyWeightingHook',
        policy=_base_.policies.format(
            'panoptic-fpn_r50-fpn_ada-segment-search_8xb2-24e_ade20k'
        ),
        mode='comb',
    )
]
