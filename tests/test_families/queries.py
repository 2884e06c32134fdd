"""DETR, Deformable DETR, MaskFormer and Mask2Former."""

from __future__ import annotations

from collections.abc import Sequence

from mmada.testing import ALL
from tests.support.tiny_deformable_detr import DEFORMABLE_DETR
from tests.support.tiny_maskformer import MASKFORMER
from tests.support.tiny_queries import DETR, MASK2FORMER
from tests.test_families.family import (
    ADAM,
    BOXES,
    DOUBLE,
    MASKS,
    PANOPTIC,
    Family,
)


def _names(
    kinds: Sequence[str], layers: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Losses of a kind: of the intermediate layers, then of the last."""
    return {
        kind: tuple(f'{layer}loss_{kind}' for layer in (*layers, ''))
        for kind in kinds
    }


def _patterns(kinds: Sequence[str]) -> dict[str, str]:
    return {kind: rf'(d\d+\.)?loss_{kind}' for kind in kinds}


_BOX_KINDS = ('cls', 'bbox', 'iou')
_MASK_KINDS = ('cls', 'mask', 'dice')
_FORMER = {
    'backbone.conv1.weight': ALL,
    'panoptic_head.query_embed.weight': ALL,
    'panoptic_head.transformer_decoder.layers.0.ffn.layers.1.weight': ALL,
    'panoptic_head.transformer_decoder.layers.1.ffn.layers.1.weight': ALL,
    'panoptic_head.cls_embed.weight': ('cls',),
    'panoptic_head.mask_embed.0.weight': ('mask', 'dice'),
    'panoptic_head.pixel_decoder.mask_feature.weight': ('mask', 'dice'),
}
_SHARED = 'The layers of the decoder are trained by all losses alike.'

QUERIES = [
    Family(
        name='DETR',
        detector=DETR,
        objectives=_patterns(_BOX_KINDS),
        losses=_names(_BOX_KINDS, ['d0.']),
        owners={
            'backbone.conv1.weight': ALL,
            'encoder.layers.0.ffn.layers.1.weight': ALL,
            'decoder.layers.0.ffn.layers.1.weight': ALL,
            'decoder.layers.1.ffn.layers.1.weight': ALL,
            'query_embedding.weight': ALL,
            'bbox_head.fc_cls.weight': ('cls',),
            'bbox_head.reg_ffn.layers.1.weight': ('bbox', 'iou'),
            'bbox_head.fc_reg.weight': ('bbox', 'iou'),
        },
        metric=BOXES,
        optimizer=ADAM,
        mode='grad',
        **DOUBLE,
        remark=_SHARED,
    ),
    Family(
        name='Deformable DETR',
        detector=DEFORMABLE_DETR,
        objectives=_patterns(_BOX_KINDS),
        losses=_names(_BOX_KINDS, ['d0.']),
        owners={
            'backbone.layer3.0.conv1.weight': ALL,
            'decoder.layers.1.cross_attn.value_proj.weight': ALL,
            'reference_points_fc.weight': ALL,
            'bbox_head.cls_branches.0.weight': ('cls',),
            'bbox_head.cls_branches.1.weight': ('cls',),
            'bbox_head.reg_branches.0.0.weight': ('bbox', 'iou'),
            'bbox_head.reg_branches.1.4.weight': ('bbox', 'iou'),
        },
        metric=BOXES,
        optimizer=ADAM,
        mode='grad',
        **DOUBLE,
        remark='With box refinement, so branches of each layer; boxes are '
        'detached between layers.',
    ),
    Family(
        name='MaskFormer',
        detector=MASKFORMER,
        objectives=_patterns(_MASK_KINDS),
        losses=_names(_MASK_KINDS, ['d0.']),
        owners={
            **_FORMER,
            'panoptic_head.pixel_decoder.encoder.layers.0.'
            'ffn.layers.1.weight': ALL,
        },
        metric=PANOPTIC,
        optimizer=ADAM,
        mode='grad',
        remark=_SHARED,
    ),
    Family(
        name='Mask2Former',
        detector=MASK2FORMER,
        objectives=_patterns(_MASK_KINDS),
        # d0 is predicted from the queries alone, before the first layer.
        losses=_names(_MASK_KINDS, ['d0.', 'd1.']),
        owners={
            **_FORMER,
            'panoptic_head.query_feat.weight': ALL,
            'panoptic_head.level_embed.weight': ALL,
        },
        metric=MASKS,
        optimizer=ADAM,
        mode='grad',
        remark='Thirty losses at full size: group them, `auto` would learn a '
        'weight for each.',
    ),
]
