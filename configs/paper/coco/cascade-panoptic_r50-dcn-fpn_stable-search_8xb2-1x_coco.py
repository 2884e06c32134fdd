# Our own preset of Ada-Segment's controller.
_base_ = './cascade-panoptic_r50-dcn-fpn_ada-segment-search_8xb2-1x_coco.py'

train_cfg = dict(
    controller=dict(
        _delete_=True,
        type='AdaSegment',
        preset='stable',
        num_replicas=8,
        # Class, box and mask losses of the three stages share a factor.
        groups=[[0, 3, 6], [1, 4, 7], [2, 5, 8], [9]],
    )
)
