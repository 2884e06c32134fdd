# Panoptic FPN with a cascade of three box and mask heads, whose losses are
# averaged over the stages.
_base_ = ['./panoptic_fpn_r50.py']

num_stages = 3

model = dict(
    type='TwoStagePanopticSegmentor',
    roi_head=dict(
        type='CascadeRoIHead',
        num_stages=num_stages,
        stage_loss_weights=[1 / num_stages] * num_stages,
        bbox_head=[
            dict(
                type='Shared2FCBBoxHead',
                in_channels=256,
                fc_out_channels=1024,
                roi_feat_size=7,
                num_classes=_base_.num_things,
                bbox_coder=dict(
                    type='DeltaXYWHBBoxCoder', target_stds=target_stds
                ),
                reg_class_agnostic=True,
                loss_cls=dict(type='CrossEntropyLoss', loss_weight=1.0),
                loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
            )
            for target_stds in (
                [0.1, 0.1, 0.2, 0.2],
                [0.05, 0.05, 0.1, 0.1],
                [0.033, 0.033, 0.067, 0.067],
            )
        ],
        mask_head=[_base_.model.roi_head.mask_head] * num_stages,
    ),
    train_cfg=dict(
        rpn_proposal=dict(max_per_img=2000),
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
                sampler=_base_.model.train_cfg.rcnn.sampler,
                mask_size=28,
                pos_weight=-1,
                debug=False,
            )
            for threshold in (0.5, 0.6, 0.7)
        ],
    ),
)
