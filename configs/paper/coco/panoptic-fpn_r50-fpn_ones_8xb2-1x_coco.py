# Panoptic FPN, all weights 1.
_base_ = [
    '../../_base_/models/weighted_panoptic_fpn_r50.py',
    '../../_base_/datasets/coco_panoptic_proxy.py',
    '../../_base_/schedules/head_rule_1x.py',
    '../../_base_/paper_runtime.py',
]
