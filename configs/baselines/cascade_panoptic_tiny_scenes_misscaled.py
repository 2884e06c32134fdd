# All weights 1, but the box losses come twenty times too large, as they do
# with boxes in pixels or a sum in place of a mean.
_base_ = './cascade_panoptic_tiny_scenes_ones.py'

model = dict(
    detector=dict(
        roi_head=dict(
            bbox_head=[
                dict(head, loss_bbox=dict(head.loss_bbox, loss_weight=20.0))
                for head in _base_.model.detector.roi_head.bbox_head
            ]
        )
    )
)
