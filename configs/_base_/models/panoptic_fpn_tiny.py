# PanopticFPN as small as the cascade beside it: one box head and one mask
# head, so four objectives.
_base_ = './cascade_panoptic_tiny.py'

model = dict(
    objectives='panoptic_fpn',
    detector=dict(
        type='PanopticFPN',
        roi_head=dict(
            _delete_=True,
            type='StandardRoIHead',
            bbox_roi_extractor=dict(
                type='SingleRoIExtractor',
                roi_layer=dict(
                    type='RoIAlign', output_size=5, sampling_ratio=1
                ),
                out_channels=32,
                featmap_strides=[4, 8, 16, 32],
                finest_scale=14,
            ),
            bbox_head=dict(
                type='Shared2FCBBoxHead',
                in_channels=32,
                fc_out_channels=96,
                roi_feat_size=5,
                num_classes=4,
                bbox_coder=dict(
                    type='DeltaXYWHBBoxCoder',
                    target_means=[0.0, 0.0, 0.0, 0.0],
                    target_stds=[0.1, 0.1, 0.2, 0.2],
                ),
                reg_class_agnostic=False,
                loss_cls=dict(
                    type='CrossEntropyLoss',
                    use_sigmoid=False,
                    loss_weight=1.0,
                ),
                loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
            ),
            mask_roi_extractor=dict(
                type='SingleRoIExtractor',
                roi_layer=dict(
                    type='RoIAlign', output_size=7, sampling_ratio=1
                ),
                out_channels=32,
                featmap_strides=[4, 8, 16, 32],
                finest_scale=14,
            ),
            mask_head=dict(
                type='FCNMaskHead',
                num_convs=2,
                in_channels=32,
                conv_out_channels=32,
                num_classes=4,
                loss_mask=dict(
                    type='CrossEntropyLoss', use_mask=True, loss_weight=1.0
                ),
            ),
        ),
        train_cfg=dict(
            rcnn=dict(
                _delete_=True,
                assigner=dict(
                    type='MaxIoUAssigner',
                    pos_iou_thr=0.5,
                    neg_iou_thr=0.5,
                    min_pos_iou=0.5,
                    match_low_quality=False,
                    ignore_iof_thr=-1,
                ),
                sampler=dict(
                    type='RandomSampler',
                    num=32,
                    pos_fraction=0.25,
                    neg_pos_ub=-1,
                    add_gt_as_proposals=True,
                ),
                mask_size=14,
                pos_weight=-1,
                debug=False,
            ),
        ),
    ),
)
