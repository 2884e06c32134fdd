# Ada-Segment's search for Panoptic FPN's four weights.
_base_ = [
    '../../_base_/models/weighted_panoptic_fpn_r50.py',
    '../../_base_/explorations/ada_segment_coco.py',
    '../../_base_/paper_runtime.py',
]
