"""DETR and Mask2Former, as small as they go."""

from __future__ import annotations

from unittest import mock

import torch
from mmdet.models import Mask2Former
from mmengine.registry import MODELS

from tests.support.tiny_data import STUFF, THINGS
from tests.support.tiny_parts import GROUP_NORM, PREPROCESSOR, WIDTH, backbone


def attention(**options):
    return dict(
        embed_dims=WIDTH,
        num_heads=2,
        dropout=0.0,
        batch_first=True,
        **options,
    )


FFN = dict(
    embed_dims=WIDTH,
    feedforward_channels=2 * WIDTH,
    num_fcs=2,
    ffn_drop=0.0,
    act_cfg=dict(type='ReLU', inplace=True),
)
DECODER = dict(
    num_layers=2,
    layer_cfg=dict(
        self_attn_cfg=attention(),
        cross_attn_cfg=attention(),
        ffn_cfg=FFN,
    ),
    return_intermediate=True,
)
POSITIONS = dict(num_feats=WIDTH // 2, normalize=True)

DETR = dict(
    type='DETR',
    num_queries=5,
    data_preprocessor=PREPROCESSOR,
    backbone=backbone(2, (1,)),
    neck=dict(
        type='ChannelMapper',
        in_channels=[16],
        kernel_size=1,
        out_channels=WIDTH,
        act_cfg=None,
        num_outs=1,
    ),
    encoder=dict(
        num_layers=1,
        layer_cfg=dict(self_attn_cfg=attention(), ffn_cfg=FFN),
    ),
    decoder=DECODER,
    positional_encoding=POSITIONS,
    bbox_head=dict(
        type='DETRHead',
        num_classes=THINGS,
        embed_dims=WIDTH,
        sync_cls_avg_factor=True,
        loss_cls=dict(
            type='CrossEntropyLoss', bg_cls_weight=0.1, class_weight=1.0
        ),
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='GIoULoss', loss_weight=2.0),
    ),
    train_cfg=dict(
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='ClassificationCost', weight=1.0),
                dict(type='BBoxL1Cost', weight=5.0, box_format='xywh'),
                dict(type='IoUCost', iou_mode='giou', weight=2.0),
            ],
        )
    ),
    test_cfg=dict(max_per_img=5),
)

MASK2FORMER = dict(
    type='Mask2Former',
    data_preprocessor=PREPROCESSOR,
    backbone=backbone(4, (0, 1, 2, 3)),
    panoptic_head=dict(
        type='Mask2FormerHead',
        in_channels=[8, 16, 32, 64],
        strides=[4, 8, 16, 32],
        feat_channels=WIDTH,
        out_channels=WIDTH,
        num_things_classes=THINGS,
        num_stuff_classes=STUFF,
        num_queries=6,
        num_transformer_feat_level=3,
        pixel_decoder=dict(
            type='MSDeformAttnPixelDecoder',
            num_outs=3,
            norm_cfg=GROUP_NORM,
            act_cfg=dict(type='ReLU'),
            encoder=dict(
                num_layers=1,
                layer_cfg=dict(
                    self_attn_cfg=attention(num_levels=3, num_points=2),
                    ffn_cfg=FFN,
                ),
            ),
            positional_encoding=POSITIONS,
        ),
        positional_encoding=POSITIONS,
        transformer_decoder=DECODER,
        # With equal class weights the one normaliser that Mask2Former does
        # not average over the ranks is the same on all of them.
        loss_cls=dict(
            type='CrossEntropyLoss',
            loss_weight=2.0,
            class_weight=[1.0] * (THINGS + STUFF + 1),
        ),
        loss_mask=dict(
            type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0
        ),
        loss_dice=dict(
            type='DiceLoss', naive_dice=True, eps=1.0, loss_weight=5.0
        ),
    ),
    panoptic_fusion_head=dict(
        type='MaskFormerFusionHead',
        num_things_classes=THINGS,
        num_stuff_classes=STUFF,
    ),
    train_cfg=dict(
        num_points=128,
        oversample_ratio=3.0,
        importance_sample_ratio=0.75,
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='ClassificationCost', weight=2.0),
                dict(
                    type='CrossEntropyLossCost', weight=5.0, use_sigmoid=True
                ),
                dict(type='DiceCost', weight=5.0, pred_act=True, eps=1.0),
            ],
        ),
        sampler=dict(type='MaskPseudoSampler'),
    ),
    test_cfg=dict(
        panoptic_on=False,
        semantic_on=False,
        instance_on=True,
        max_per_image=10,
    ),
)


@MODELS.register_module()
class FixedPointsMask2Former(Mask2Former):
    """Looks at the same points of each mask, where Mask2Former draws them.

    What it draws for an image depends on the images before it in the batch.
    """

    def loss(self, *args, **kwargs):
        with mock.patch('torch.rand', _fixed_points):
            return super().loss(*args, **kwargs)


def _fixed_points(*shape, **options):
    shape = shape[0] if isinstance(shape[0], (tuple, list)) else shape
    generator = torch.Generator().manual_seed(0)
    points = torch.empty(shape[1:]).uniform_(generator=generator)
    return points.expand(*shape).clone()


FIXED_MASK2FORMER = dict(MASK2FORMER, type='FixedPointsMask2Former')
