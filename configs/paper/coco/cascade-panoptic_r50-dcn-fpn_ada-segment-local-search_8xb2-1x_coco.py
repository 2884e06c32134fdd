# The search without r_imp in its reward.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-1x_coco.py'

train_cfg = dict(controller=dict(reward='local'))
