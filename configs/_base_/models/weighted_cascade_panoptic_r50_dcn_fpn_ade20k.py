# The weighted cascade with the 100 things and 50 stuff classes of ADE20K.
_base_ = './weighted_cascade_panoptic_r50_dcn_fpn.py'
num_things = 100
num_stuff = 50

model = dict(
    detector=dict(
        roi_head=dict(
            bbox_head=[
                dict(head, num_classes=num_things)
                for head in _base_.model.detector.roi_head.bbox_head
            ],
            mask_head=[
                dict(head, num_classes=num_things)
                for head in _base_.model.detector.roi_head.mask_head
            ],
        ),
        semantic_head=dict(
            num_things_classes=num_things, num_stuff_classes=num_stuff
        ),
        panoptic_fusion_head=dict(
            num_things_classes=num_things, num_stuff_classes=num_stuff
        ),
    )
)
