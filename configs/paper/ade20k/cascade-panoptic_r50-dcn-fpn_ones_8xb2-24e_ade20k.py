# Baseline on ADE20K: all weights 1.
_base_ = [
    '../../_base_/models/weighted_cascade_panoptic_r50_dcn_fpn_ade20k.py',
    '../../_base_/datasets/ade20k_panoptic_proxy.py',
    '../../_base_/schedules/head_rule_2x.py',
    '../../_base_/paper_runtime.py',
]
