"""Deformable DETR with box refinement, as small as it goes."""

from __future__ import annotations

import copy

from tests.support.tiny_parts import GROUP_NORM, WIDTH, backbone
from tests.support.tiny_queries import DECODER, DETR, FFN, POSITIONS, attention

_LEVELS = 2
_DEFORMABLE = attention(num_levels=_LEVELS, num_points=2)

# Each layer of the decoder has branches of its own, unlike DETR.
DEFORMABLE_DETR = dict(
    copy.deepcopy(DETR),
    type='DeformableDETR',
    num_feature_levels=_LEVELS,
    with_box_refine=True,
    as_two_stage=False,
    backbone=backbone(3, (1, 2)),
    neck=dict(
        type='ChannelMapper',
        in_channels=[16, 32],
        kernel_size=1,
        out_channels=WIDTH,
        act_cfg=None,
        norm_cfg=GROUP_NORM,
        num_outs=_LEVELS,
    ),
    encoder=dict(
        num_layers=1,
        layer_cfg=dict(self_attn_cfg=_DEFORMABLE, ffn_cfg=FFN),
    ),
    decoder=dict(
        DECODER,
        layer_cfg=dict(
            self_attn_cfg=attention(),
            cross_attn_cfg=_DEFORMABLE,
            ffn_cfg=FFN,
        ),
        post_norm_cfg=None,
    ),
    positional_encoding=dict(POSITIONS, offset=-0.5),
)
DEFORMABLE_DETR['bbox_head'].update(
    type='DeformableDETRHead',
    loss_cls=dict(type='FocalLoss', use_sigmoid=True, loss_weight=2.0),
)
DEFORMABLE_DETR['train_cfg']['assigner']['match_costs'][0] = dict(
    type='FocalLossCost', weight=2.0
)
