"""MaskFormer, as small as it goes."""

from __future__ import annotations

from tests.support.tiny_data import STUFF, THINGS
from tests.support.tiny_parts import GROUP_NORM, PREPROCESSOR, WIDTH, backbone
from tests.support.tiny_queries import DECODER, FFN, POSITIONS, attention

MASKFORMER = dict(
    type='MaskFormer',
    data_preprocessor=PREPROCESSOR,
    backbone=backbone(4, (0, 1, 2, 3)),
    panoptic_head=dict(
        type='MaskFormerHead',
        in_channels=[8, 16, 32, 64],
        feat_channels=WIDTH,
        out_channels=WIDTH,
        num_things_classes=THINGS,
        num_stuff_classes=STUFF,
        num_queries=6,
        pixel_decoder=dict(
            type='TransformerEncoderPixelDecoder',
            norm_cfg=GROUP_NORM,
            act_cfg=dict(type='ReLU'),
            encoder=dict(
                num_layers=1,
                layer_cfg=dict(self_attn_cfg=attention(), ffn_cfg=FFN),
            ),
            positional_encoding=POSITIONS,
        ),
        positional_encoding=POSITIONS,
        transformer_decoder=DECODER,
        loss_cls=dict(
            type='CrossEntropyLoss',
            class_weight=[1.0] * (THINGS + STUFF) + [0.1],
        ),
        loss_mask=dict(type='FocalLoss', use_sigmoid=True, loss_weight=20.0),
        loss_dice=dict(
            type='DiceLoss', activate=True, naive_dice=True, eps=1.0
        ),
    ),
    panoptic_fusion_head=dict(
        type='MaskFormerFusionHead',
        num_things_classes=THINGS,
        num_stuff_classes=STUFF,
    ),
    train_cfg=dict(
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='ClassificationCost', weight=1.0),
                dict(type='FocalLossCost', weight=20.0, binary_input=True),
                dict(type='DiceCost', weight=1.0, pred_act=True, eps=1.0),
            ],
        ),
        sampler=dict(type='MaskPseudoSampler'),
    ),
    test_cfg=dict(
        panoptic_on=True,
        semantic_on=False,
        instance_on=False,
        max_per_image=10,
        # An untrained network is sure of nothing.
        object_mask_thr=0.0,
        iou_thr=0.0,
        filter_low_score=False,
    ),
)
