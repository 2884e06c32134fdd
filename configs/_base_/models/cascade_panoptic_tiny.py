# A panoptic detector small enough for one CPU core: every part of the
# full-size cascade, so ten objectives, on narrow layers.
num_things, num_stuff = 4, 4
stage_stds = (
    [0.1, 0.1, 0.2, 0.2],
    [0.05, 0.05, 0.1, 0.1],
    [0.033, 0.033, 0.067, 0.067],
)

model = dict(
    type='LossWeightWrapper',
    objectives='cascade_panoptic',
    detector=dict(
        type='TwoStagePanopticSegmentor',
        data_preprocessor=dict(
            type='DetDataPreprocessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
            pad_mask=True,
            mask_pad_value=0,
            pad_seg=True,
            seg_pad_value=255,
            pad_size_divisor=32,
        ),
        backbone=dict(
            type='ResNet',
            depth=18,
            base_channels=16,
            num_stages=4,
            out_indices=(0, 1, 2, 3),
            frozen_stages=-1,
            norm_cfg=dict(type='BN', requires_grad=True),
            norm_eval=False,
            style='pytorch',
        ),
        neck=dict(
            type='FPN',
            in_channels=[16, 32, 64, 128],
            out_channels=32,
            num_outs=4,
        ),
        rpn_head=dict(
            type='RPNHead',
            in_channels=32,
            feat_channels=32,
            anchor_generator=dict(
                type='AnchorGenerator',
                scales=[3],
                ratios=[0.5, 1.0, 2.0],
                strides=[4, 8, 16, 32],
            ),
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder',
                target_means=[0.0, 0.0, 0.0, 0.0],
                target_stds=[1.0, 1.0, 1.0, 1.0],
            ),
            loss_cls=dict(
                type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0
            ),
            loss_bbox=dict(
                type='SmoothL1Loss', beta=1.0 / 9.0, loss_weight=1.0
            ),
        ),
        roi_head=dict(
            type='CascadeRoIHead',
            num_stages=3,
            stage_loss_weights=[1 / 3, 1 / 3, 1 / 3],
            bbox_roi_extractor=dict(
                type='SingleRoIExtractor',
                roi_layer=dict(
                    type='RoIAlign', output_size=5, sampling_ratio=1
                ),
                out_channels=32,
                featmap_strides=[4, 8, 16, 32],
                finest_scale=14,
            ),
            bbox_head=[
                dict(
                    type='Shared2FCBBoxHead',
                    in_channels=32,
                    fc_out_channels=96,
                    roi_feat_size=5,
                    num_classes=num_things,
                    bbox_coder=dict(
                        type='DeltaXYWHBBoxCoder',
                        target_means=[0.0, 0.0, 0.0, 0.0],
                        target_stds=stds,
                    ),
                    reg_class_agnostic=True,
                    loss_cls=dict(
                        type='CrossEntropyLoss',
                        use_sigmoid=False,
                        loss_weight=1.0,
                    ),
                    loss_bbox=dict(
                        type='SmoothL1Loss', beta=1.0, loss_weight=1.0
                    ),
                )
                for stds in stage_stds
            ],
            mask_roi_extractor=dict(
                type='SingleRoIExtractor',
                roi_layer=dict(
                    type='RoIAlign', output_size=7, sampling_ratio=1
                ),
                out_channels=32,
                featmap_strides=[4, 8, 16, 32],
                finest_scale=14,
            ),
            mask_head=[
                dict(
                    type='FCNMaskHead',
                    num_convs=2,
                    in_channels=32,
                    conv_out_channels=32,
                    num_classes=num_things,
                    loss_mask=dict(
                        type='CrossEntropyLoss', use_mask=True, loss_weight=1.0
                    ),
                )
                for _ in stage_stds
            ],
        ),
        semantic_head=dict(
            type='PanopticFPNHead',
            num_things_classes=num_things,
            num_stuff_classes=num_stuff,
            in_channels=32,
            inner_channels=32,
            start_level=0,
            end_level=4,
            norm_cfg=dict(type='GN', num_groups=8, requires_grad=True),
            conv_cfg=None,
            loss_seg=dict(
                type='CrossEntropyLoss', ignore_index=255, loss_weight=1.0
            ),
        ),
        panoptic_fusion_head=dict(
            type='HeuristicFusionHead',
            num_things_classes=num_things,
            num_stuff_classes=num_stuff,
        ),
        train_cfg=dict(
            rpn=dict(
                assigner=dict(
                    type='MaxIoUAssigner',
                    pos_iou_thr=0.6,
                    neg_iou_thr=0.3,
                    min_pos_iou=0.3,
                    match_low_quality=True,
                    ignore_iof_thr=-1,
                ),
                sampler=dict(
                    type='RandomSampler',
                    num=64,
                    pos_fraction=0.5,
                    neg_pos_ub=-1,
                    add_gt_as_proposals=False,
                ),
                allowed_border=-1,
                pos_weight=-1,
                debug=False,
            ),
            rpn_proposal=dict(
                nms_pre=200,
                max_per_img=64,
                nms=dict(type='nms', iou_threshold=0.7),
                min_bbox_size=0,
            ),
            rcnn=[
                dict(
                    assigner=dict(
                        type='MaxIoUAssigner',
                        pos_iou_thr=threshold,
                        neg_iou_thr=threshold,
                        min_pos_iou=threshold,
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
                )
                for threshold in (0.5, 0.6, 0.7)
            ],
        ),
        test_cfg=dict(
            rpn=dict(
                nms_pre=200,
                max_per_img=32,
                nms=dict(type='nms', iou_threshold=0.7),
                min_bbox_size=0,
            ),
            rcnn=dict(
                score_thr=0.3,
                nms=dict(type='nms', iou_threshold=0.5),
                max_per_img=20,
                mask_thr_binary=0.5,
            ),
            panoptic=dict(
                score_thr=0.5,
                max_per_img=20,
                mask_thr_binary=0.5,
                mask_overlap=0.5,
                nms=dict(type='nms', iou_threshold=0.5),
                stuff_area_limit=16,
            ),
        ),
    ),
)
