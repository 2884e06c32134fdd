"""RTMDet-Ins, as small as it goes."""

from __future__ import annotations

from tests.support.tiny_data import THINGS
from tests.support.tiny_parts import PREPROCESSOR, WIDTH

_NORM = dict(type='BN')
_ACTIVATION = dict(type='SiLU', inplace=True)

# Its convolutions are shared by all levels, each with norms of its own.
RTMDET_INS = dict(
    type='RTMDet',
    data_preprocessor=PREPROCESSOR,
    backbone=dict(
        type='CSPNeXt',
        arch='P5',
        deepen_factor=0.1,
        widen_factor=0.125,
        channel_attention=True,
        norm_cfg=_NORM,
        act_cfg=_ACTIVATION,
    ),
    neck=dict(
        type='CSPNeXtPAFPN',
        in_channels=[32, 64, 128],
        out_channels=WIDTH,
        num_csp_blocks=1,
        expand_ratio=0.5,
        norm_cfg=_NORM,
        act_cfg=_ACTIVATION,
    ),
    bbox_head=dict(
        type='RTMDetInsSepBNHead',
        num_classes=THINGS,
        in_channels=WIDTH,
        stacked_convs=1,
        share_conv=True,
        pred_kernel_size=1,
        feat_channels=WIDTH,
        act_cfg=_ACTIVATION,
        norm_cfg=_NORM,
        anchor_generator=dict(
            type='MlvlPointGenerator', offset=0, strides=[8, 16, 32]
        ),
        bbox_coder=dict(type='DistancePointBBoxCoder'),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        loss_mask=dict(
            type='DiceLoss', loss_weight=2.0, eps=5e-6, reduction='mean'
        ),
    ),
    train_cfg=dict(
        assigner=dict(type='DynamicSoftLabelAssigner', topk=13),
        allowed_border=-1,
        pos_weight=-1,
    ),
    test_cfg=dict(
        nms_pre=50,
        min_bbox_size=0,
        score_thr=0.0,
        nms=dict(type='nms', iou_threshold=0.6),
        max_per_img=20,
        mask_thr_binary=0.3,  # an untrained network is above it somewhere
    ),
)
