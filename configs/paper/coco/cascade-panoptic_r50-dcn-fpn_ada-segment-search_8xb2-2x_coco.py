# The search on the long schedule, one checkpoint an epoch.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-1x_coco.py'

train_cfg = dict(num_rounds=24)
