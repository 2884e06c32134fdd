# R-101 trained long, for test-dev; the paper names no schedule.
_base_ = './cascade-panoptic_r101-dcn-fpn_ada-segment_8xb2-1x_coco.py'

train_cfg = dict(max_epochs=24)
