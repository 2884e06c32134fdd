# PanopticFPN on the trunk of the cascade beside it, four objectives.
_base_ = './panoptic_fpn_tiny.py'
num_stuff = 7
channels = 64

model = dict(
    detector=dict(
        data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
        backbone=dict(
            _delete_=True,
            type='EfficientNetLite',
            out_indices=(2, 3, 4, 5),
            norm_cfg=dict(type='BN', eps=1e-3, requires_grad=False),
            norm_eval=True,
            init_cfg=dict(
                type='Pretrained', checkpoint='efficientnet_lite://lite0'
            ),
        ),
        neck=dict(in_channels=[24, 40, 112, 320], out_channels=channels),
        rpn_head=dict(in_channels=channels, feat_channels=channels),
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=channels),
            bbox_head=dict(in_channels=channels, fc_out_channels=128),
            mask_roi_extractor=dict(out_channels=channels),
            mask_head=dict(in_channels=channels, conv_out_channels=channels),
        ),
        semantic_head=dict(
            num_stuff_classes=num_stuff,
            in_channels=channels,
            inner_channels=channels,
        ),
        panoptic_fusion_head=dict(num_stuff_classes=num_stuff),
        test_cfg=dict(
            rpn=dict(max_per_img=64),
            rcnn=dict(max_per_img=40),
            panoptic=dict(max_per_img=40, stuff_area_limit=64),
        ),
    ),
)
