# Ada-Segment's search; its explored.pth is Ada-Segment-A.
_base_ = [
    '../../_base_/models/weighted_cascade_panoptic_r50_dcn_fpn.py',
    '../../_base_/explorations/ada_segment_coco.py',
    '../../_base_/paper_runtime.py',
]
