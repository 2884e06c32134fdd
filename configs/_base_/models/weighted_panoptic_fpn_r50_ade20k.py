# Weighted Panoptic FPN with the 100 things and 50 stuff classes of ADE20K.
_base_ = './weighted_panoptic_fpn_r50.py'
num_things = 100
num_stuff = 50

model = dict(
    detector=dict(
        roi_head=dict(
            bbox_head=dict(num_classes=num_things),
            mask_head=dict(num_classes=num_things),
        ),
        semantic_head=dict(
            num_things_classes=num_things, num_stuff_classes=num_stuff
        ),
        panoptic_fusion_head=dict(
            num_things_classes=num_things, num_stuff_classes=num_stuff
        ),
    )
)
