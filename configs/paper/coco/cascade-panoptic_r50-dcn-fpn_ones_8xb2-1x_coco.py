# Baseline: all weights 1.
_base_ = [
    '../../_base_/models/weighted_cascade_panoptic_r50_dcn_fpn.py',
    '../../_base_/datasets/coco_panoptic_proxy.py',
    '../../_base_/schedules/head_rule_1x.py',
    '../../_base_/paper_runtime.py',
]
