"""A segmentor of MMSegmentation: a head of two losses, an auxiliary one."""

from __future__ import annotations

from functools import partial

import torch

from mmada.testing import ALL
from tests.support.tiny_segmentor import SEGMENTOR
from tests.test_families.family import MAPS, Family, batch_of

SEGMENTORS = [
    Family(
        name='FCN (MMSegmentation)',
        detector=SEGMENTOR,
        objectives={
            'ce': r'decode\.loss_ce',
            'dice': r'decode\.loss_dice',
            'aux': r'aux\.loss_.*',
        },
        losses=dict(
            ce=('decode.loss_ce',),
            dice=('decode.loss_dice',),
            aux=('aux.loss_ce',),
        ),
        owners={
            'backbone.conv1.weight': ALL,
            'backbone.layer2.0.conv1.weight': ALL,
            # Behind the features that the auxiliary head is given.
            'backbone.layer3.0.conv1.weight': ('ce', 'dice'),
            'decode_head.convs.0.conv.weight': ('ce', 'dice'),
            'decode_head.conv_seg.weight': ('ce', 'dice'),
            'auxiliary_head.conv_seg.weight': ('aux',),
        },
        metric=MAPS,
        scope='mmseg',
        dataset='TinyMaps',
        dtype=torch.float64,
        batch=partial(batch_of, 'TinyMaps', torch.float64),
        remark='The last stage of the backbone is behind the auxiliary head, '
        'so to the head rule it is a head of the others.',
    ),
]
