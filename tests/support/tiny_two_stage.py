"""Faster, Mask and Cascade Mask R-CNN and HTC, as small as they go."""

from __future__ import annotations

import copy

from tests.support.tiny_data import THINGS
from tests.support.tiny_parts import PREPROCESSOR, WIDTH, backbone

_STDS = (
    [0.1, 0.1, 0.2, 0.2],
    [0.05, 0.05, 0.1, 0.1],
    [0.033, 0.033, 0.067, 0.067],
)
_NMS = dict(type='nms', iou_threshold=0.7)
_PROPOSALS = dict(nms_pre=50, max_per_img=16, nms=_NMS, min_bbox_size=0)


def _rois(output_size):
    return dict(
        type='SingleRoIExtractor',
        roi_layer=dict(
            type='RoIAlign', output_size=output_size, sampling_ratio=1
        ),
        out_channels=WIDTH,
        featmap_strides=[4, 8, 16],
        finest_scale=14,
    )


def _coder(stds):
    return dict(
        type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=stds
    )


def _box_head(stds):
    return dict(
        type='Shared2FCBBoxHead',
        in_channels=WIDTH,
        fc_out_channels=WIDTH,
        roi_feat_size=3,
        num_classes=THINGS,
        bbox_coder=_coder(stds),
        reg_class_agnostic=True,
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False),
        loss_bbox=dict(type='SmoothL1Loss', beta=1.0),
    )


def _mask_head(kind, **options):
    return dict(
        type=kind,
        num_convs=1,
        in_channels=WIDTH,
        conv_out_channels=WIDTH,
        num_classes=THINGS,
        loss_mask=dict(type='CrossEntropyLoss', use_mask=True),
        **options,
    )


def _stage(threshold):
    return dict(
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
            num=16,
            pos_fraction=0.5,
            neg_pos_ub=-1,
            add_gt_as_proposals=True,
        ),
        mask_size=14,
        pos_weight=-1,
        debug=False,
    )


def _rpn_training():
    config = _stage(0.6)
    config['assigner'].update(neg_iou_thr=0.3, match_low_quality=True)
    config['sampler'].update(num=32, add_gt_as_proposals=False)
    return dict(config, allowed_border=-1)


def _detector(kind, roi_head, stages):
    """Returns a detector with an RPN on strides 4, 8 and 16."""
    return dict(
        type=kind,
        data_preprocessor=PREPROCESSOR,
        backbone=backbone(3, (0, 1, 2)),
        neck=dict(
            type='FPN', in_channels=[8, 16, 32], out_channels=WIDTH, num_outs=3
        ),
        rpn_head=dict(
            type='RPNHead',
            in_channels=WIDTH,
            feat_channels=WIDTH,
            anchor_generator=dict(
                type='AnchorGenerator',
                scales=[4],
                ratios=[0.5, 1.0, 2.0],
                strides=[4, 8, 16],
            ),
            bbox_coder=_coder([1.0] * 4),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True),
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0 / 9.0),
        ),
        roi_head=roi_head,
        train_cfg=dict(
            rpn=_rpn_training(), rpn_proposal=_PROPOSALS, rcnn=stages
        ),
        test_cfg=dict(
            rpn=_PROPOSALS,
            rcnn=dict(
                score_thr=0.0,
                nms=dict(type='nms', iou_threshold=0.5),
                max_per_img=20,
                mask_thr_binary=0.5,
            ),
        ),
    )


_ONE_STAGE = dict(
    type='StandardRoIHead',
    bbox_roi_extractor=_rois(3),
    bbox_head=_box_head(_STDS[0]),
)
FASTER_RCNN = _detector('FasterRCNN', _ONE_STAGE, _stage(0.5))
MASK_RCNN = _detector(
    'MaskRCNN',
    dict(
        _ONE_STAGE,
        mask_roi_extractor=_rois(7),
        mask_head=_mask_head('FCNMaskHead'),
    ),
    _stage(0.5),
)

_THRESHOLDS = (0.5, 0.6, 0.7)
_CASCADE = dict(
    type='CascadeRoIHead',
    num_stages=3,
    stage_loss_weights=[1, 0.5, 0.25],
    bbox_roi_extractor=_rois(3),
    bbox_head=[_box_head(stds) for stds in _STDS],
    mask_roi_extractor=_rois(7),
    mask_head=[_mask_head('FCNMaskHead') for _ in _STDS],
)
CASCADE_MASK_RCNN = _detector(
    'CascadeRCNN', _CASCADE, [_stage(t) for t in _THRESHOLDS]
)

# With the information flow between mask heads and the semantic branch, the
# two things that make HTC more than a cascade.
HTC = _detector(
    'HybridTaskCascade',
    dict(
        copy.deepcopy(_CASCADE),
        type='HybridTaskCascadeRoIHead',
        interleaved=True,
        mask_info_flow=True,
        mask_head=[
            _mask_head('HTCMaskHead', with_conv_res=stage > 0)
            for stage in range(3)
        ],
        semantic_roi_extractor=dict(_rois(7), featmap_strides=[8]),
        semantic_head=dict(
            type='FusedSemanticHead',
            num_ins=3,
            fusion_level=1,
            seg_scale_factor=1 / 8,
            num_convs=1,
            in_channels=WIDTH,
            conv_out_channels=WIDTH,
            num_classes=THINGS + 1,
            loss_seg=dict(
                type='CrossEntropyLoss', ignore_index=255, loss_weight=0.2
            ),
        ),
    ),
    [_stage(t) for t in _THRESHOLDS],
)
