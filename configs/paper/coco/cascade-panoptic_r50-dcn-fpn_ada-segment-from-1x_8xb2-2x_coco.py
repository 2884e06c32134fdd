# Transfer: the policy of a short training in a long one.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment_8xb2-1x_coco.py'

train_cfg = dict(max_epochs=24)
