# Adapted by what the last policy makes of l^1, static.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment_8xb2-1x_coco.py'

custom_hooks = [dict(_base_.custom_hooks[0], mode='pred')]
