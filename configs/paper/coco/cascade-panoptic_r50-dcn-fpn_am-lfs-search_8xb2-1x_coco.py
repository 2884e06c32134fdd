# AM-LFS's search: one vector of weights that sees no losses.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-1x_coco.py'

train_cfg = dict(controller=dict(_delete_=True, type='AmLfs', num_replicas=8))
