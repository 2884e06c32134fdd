"""Faster R-CNN, Mask R-CNN, Cascade Mask R-CNN and HTC."""

from __future__ import annotations

from mmada.testing import ALL
from tests.support.tiny_two_stage import (
    CASCADE_MASK_RCNN,
    FASTER_RCNN,
    HTC,
    MASK_RCNN,
)
from tests.test_families.family import BOXES, MASKS, Family

_RPN = ('loss_rpn_cls', 'loss_rpn_bbox')
_STAGES = range(3)
_KINDS = ('cls', 'bbox', 'mask')
_CASCADE = {
    kind: tuple(f's{stage}.loss_{kind}' for stage in _STAGES)
    for kind in _KINDS
}
_CASCADE_PATTERNS = {kind: rf's\d\.loss_{kind}' for kind in _KINDS}
_TRUNK = {
    'backbone.conv1.weight': ALL,
    'neck.fpn_convs.0.conv.weight': ALL,
    # A level on which no region falls is reached, by zeros.
    'neck.fpn_convs.2.conv.weight': ALL,
}
_WITHOUT_RPN = {
    **_TRUNK,
    'rpn_head.rpn_conv.weight': (),
    'rpn_head.rpn_reg.weight': (),
}
_BOX_HEADS = {
    f'roi_head.bbox_head.{stage}.{layer}.weight': owners
    for stage in _STAGES
    for layer, owners in {
        'shared_fcs.0': ('cls', 'bbox'),
        'fc_cls': ('cls',),
        'fc_reg': ('bbox',),
    }.items()
}

TWO_STAGE = [
    Family(
        name='Faster R-CNN',
        detector=FASTER_RCNN,
        objectives=dict(rpn='loss_rpn_.*', cls='loss_cls', bbox='loss_bbox'),
        losses=dict(rpn=_RPN, cls=('loss_cls',), bbox=('loss_bbox',)),
        owners={
            **_TRUNK,
            'rpn_head.rpn_conv.weight': ('rpn',),
            'rpn_head.rpn_cls.weight': ('rpn',),
            'roi_head.bbox_head.shared_fcs.0.weight': ('cls', 'bbox'),
            'roi_head.bbox_head.fc_cls.weight': ('cls',),
            'roi_head.bbox_head.fc_reg.weight': ('bbox',),
        },
        metric=BOXES,
        remark='With an objective for the RPN; without one its losses keep '
        'weight 1, as in the paper.',
    ),
    Family(
        name='Mask R-CNN',
        detector=MASK_RCNN,
        objectives={kind: f'loss_{kind}' for kind in _KINDS},
        losses={kind: (f'loss_{kind}',) for kind in _KINDS},
        unweighted=_RPN,
        owners={
            **_WITHOUT_RPN,
            'roi_head.bbox_head.shared_fcs.1.weight': ('cls', 'bbox'),
            'roi_head.bbox_head.fc_reg.weight': ('bbox',),
            'roi_head.mask_head.convs.0.conv.weight': ('mask',),
            'roi_head.mask_head.conv_logits.weight': ('mask',),
        },
        metric=MASKS,
        remark='The RPN keeps weight 1, as in the paper.',
    ),
    Family(
        name='Cascade Mask R-CNN',
        detector=CASCADE_MASK_RCNN,
        objectives=_CASCADE_PATTERNS,
        losses=_CASCADE,
        unweighted=_RPN,
        owners={
            **_WITHOUT_RPN,
            **_BOX_HEADS,
            'roi_head.mask_head.0.conv_logits.weight': ('mask',),
            'roi_head.mask_head.2.conv_logits.weight': ('mask',),
        },
        metric=MASKS,
        remark='A stage without regions leaves its losses out of an '
        'iteration; what is grouped by kind is there all the same.',
    ),
    Family(
        name='HTC',
        detector=HTC,
        objectives={**_CASCADE_PATTERNS, 'seg': 'loss_semantic_seg'},
        losses={**_CASCADE, 'seg': ('loss_semantic_seg',)},
        unweighted=_RPN,
        owners={
            **_WITHOUT_RPN,
            **_BOX_HEADS,
            'roi_head.mask_head.0.conv_logits.weight': ('mask',),
            'roi_head.semantic_head.convs.0.conv.weight': ALL,
            'roi_head.semantic_head.conv_embedding.conv.weight': _KINDS,
            'roi_head.semantic_head.conv_logits.weight': ('seg',),
        },
        metric=MASKS,
        remark='The semantic branch feeds the box and mask heads: its '
        'convolutions belong to the trunk, only its classifier to `seg`.',
    ),
]
