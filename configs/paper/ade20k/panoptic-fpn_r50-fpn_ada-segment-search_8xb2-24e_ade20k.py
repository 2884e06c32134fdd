# Ada-Segment's search for Panoptic FPN on ADE20K; not in the paper.
_base_ = [
    '../../_base_/models/weighted_panoptic_fpn_r50_ade20k.py',
    '../../_base_/explorations/ada_segment_ade20k.py',
    '../../_base_/paper_runtime.py',
]
