# Panoptic FPN on ADE20K, all weights 1; not in the paper.
_base_ = [
    '../../_base_/models/weighted_panoptic_fpn_r50_ade20k.py',
    '../../_base_/datasets/ade20k_panoptic_proxy.py',
    '../../_base_/schedules/head_rule_2x.py',
    '../../_base_/paper_runtime.py',
]
