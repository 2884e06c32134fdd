# All weights 1, but the segmentation loss comes eight times too large, as
# that of a new head or another reduction may.
_base_ = './cascade_panoptic_tiny_scenes_ones.py'

model = dict(
    detector=dict(semantic_head=dict(loss_seg=dict(loss_weight=8.0)))
)
