# Baseline-G: the best weights of the grid.
_base_ = './cascade-panoptic_r50-dcn-fpn_ones_8xb2-1x_coco.py'

custom_hooks = [
    dict(
        type='PolicyWeightingHook',
        policy=_base_.policies.format(
            'cascade-panoptic_r50-dcn-fpn_grid-search_8xb2-1x_coco'
        ),
        mode='final',
    )
]
