# Panoptic FPN with the weights of its own paper.
_base_ = './panoptic-fpn_r50-fpn_ones_8xb2-1x_coco.py'

model = dict(weights=dict(seg=0.5))
# They were tuned without a head rule.
optim_wrapper = dict(head_rule=dict(mode='off'))
