"""FCOS, ATSS, GFL and RetinaNet, as small as they go."""

from __future__ import annotations

from tests.support.tiny_data import THINGS
from tests.support.tiny_parts import GROUP_NORM, PREPROCESSOR, WIDTH, backbone


def _dense(detector, class_layer, head):
    """Returns a one-stage detector on strides 8, 16 and 32."""
    # From the usual 0.01 the scores would hardly leave zero.
    bias = dict(type='Normal', name=class_layer, std=0.01, bias_prob=0.3)
    return dict(
        type=detector,
        data_preprocessor=PREPROCESSOR,
        backbone=backbone(4, (1, 2, 3)),
        neck=dict(
            type='FPN',
            in_channels=[16, 32, 64],
            out_channels=WIDTH,
            num_outs=3,
        ),
        bbox_head=dict(
            num_classes=THINGS,
            in_channels=WIDTH,
            feat_channels=WIDTH,
            stacked_convs=1,
            norm_cfg=GROUP_NORM,
            init_cfg=dict(
                type='Normal', layer='Conv2d', std=0.01, override=bias
            ),
            **head,
        ),
        train_cfg=dict(
            assigner=dict(type='ATSSAssigner', topk=9),
            allowed_border=-1,
            pos_weight=-1,
        ),
        test_cfg=dict(
            nms_pre=50,
            min_bbox_size=0,
            score_thr=0.0,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=20,
        ),
    )


FCOS = _dense(
    'FCOS',
    'conv_cls',
    dict(
        type='FCOSHead',
        strides=[8, 16, 32],
        regress_ranges=((-1, 16), (16, 32), (32, 1e8)),
    ),
)

_SQUARES = dict(
    type='AnchorGenerator',
    ratios=[1.0],
    octave_base_scale=4,
    scales_per_octave=1,
    strides=[8, 16, 32],
)

# Its normaliser depends on the predictions, not on the truth alone: replicas
# that train the same batch at the same time have different ones.
GFL = _dense(
    'GFL',
    'gfl_cls',
    dict(
        type='GFLHead',
        anchor_generator=_SQUARES,
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0),
        loss_dfl=dict(type='DistributionFocalLoss', loss_weight=0.25),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        reg_max=8,
    ),
)

ATSS = _dense(
    'ATSS',
    'atss_cls',
    dict(
        type='ATSSHead',
        anchor_generator=_SQUARES,
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True),
    ),
)

RETINANET = _dense(
    'RetinaNet',
    'retina_cls',
    dict(
        type='RetinaHead',
        anchor_generator=_SQUARES,
        loss_cls=dict(type='FocalLoss', use_sigmoid=True),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
    ),
)
RETINANET['train_cfg'].update(
    assigner=dict(
        type='MaxIoUAssigner',
        pos_iou_thr=0.5,
        neg_iou_thr=0.4,
        min_pos_iou=0,
        ignore_iof_thr=-1,
    ),
    sampler=dict(type='PseudoSampler'),
)
