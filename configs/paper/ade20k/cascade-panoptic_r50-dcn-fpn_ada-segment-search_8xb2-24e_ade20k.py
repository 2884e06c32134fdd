# Ada-Segment's search on ADE20K.
_base_ = [
    '../../_base_/models/weighted_cascade_panoptic_r50_dcn_fpn_ade20k.py',
    '../../_base_/explorations/ada_segment_ade20k.py',
    '../../_base_/paper_runtime.py',
]
