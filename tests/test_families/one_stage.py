"""RetinaNet, FCOS, ATSS and RTMDet-Ins."""

from __future__ import annotations

from mmada.testing import ALL
from tests.support.tiny_dense import ATSS, FCOS, RETINANET
from tests.support.tiny_rtmdet import RTMDET_INS
from tests.test_families.family import ADAM, BOXES, DOUBLE, MASKS, Family

_DENSE = dict(
    cls=('loss_cls',), bbox=('loss_bbox',), centerness=('loss_centerness',)
)
_TRUNK = {
    'backbone.conv1.weight': ALL,
    'backbone.layer4.1.conv2.weight': ALL,
    'neck.fpn_convs.0.conv.weight': ALL,
}

ONE_STAGE = [
    Family(
        name='RetinaNet',
        detector=RETINANET,
        objectives=dict(cls='loss_cls', bbox='loss_bbox'),
        losses=dict(cls=('loss_cls',), bbox=('loss_bbox',)),
        owners={
            **_TRUNK,
            'bbox_head.cls_convs.0.conv.weight': ('cls',),
            'bbox_head.retina_cls.weight': ('cls',),
            'bbox_head.reg_convs.0.conv.weight': ('bbox',),
            'bbox_head.retina_reg.bias': ('bbox',),
        },
        metric=BOXES,
        **DOUBLE,
        remark='Two towers: nothing of the head is shared.',
    ),
    Family(
        name='FCOS',
        detector=FCOS,
        objectives={name: f'loss_{name}' for name in _DENSE},
        losses=_DENSE,
        owners={
            **_TRUNK,
            # Here centerness is predicted from the tower of the classes.
            'bbox_head.cls_convs.0.conv.weight': ('cls', 'centerness'),
            'bbox_head.conv_cls.weight': ('cls',),
            'bbox_head.conv_centerness.weight': ('centerness',),
            'bbox_head.reg_convs.0.conv.weight': ('bbox',),
            'bbox_head.scales.0.scale': ('bbox',),
        },
        metric=BOXES,
        remark='Centerness shares the tower of the classes, unless '
        '`centerness_on_reg`.',
    ),
    Family(
        name='ATSS',
        detector=ATSS,
        objectives={name: f'loss_{name}' for name in _DENSE},
        losses=_DENSE,
        owners={
            **_TRUNK,
            'bbox_head.cls_convs.0.conv.weight': ('cls',),
            'bbox_head.reg_convs.0.conv.weight': ('bbox', 'centerness'),
            'bbox_head.atss_reg.weight': ('bbox',),
            'bbox_head.atss_centerness.weight': ('centerness',),
        },
        metric=BOXES,
        remark='Centerness shares the tower of the boxes.',
    ),
    Family(
        name='RTMDet-Ins',
        detector=RTMDET_INS,
        objectives=dict(cls='loss_cls', bbox='loss_bbox', mask='loss_mask'),
        losses=dict(
            cls=('loss_cls',), bbox=('loss_bbox',), mask=('loss_mask',)
        ),
        owners={
            'backbone.stem.0.conv.weight': ALL,
            'neck.out_convs.0.conv.weight': ALL,
            # MMDetection makes one tower of `cls_convs` and `reg_convs`, its
            # convolutions shared by all levels, the norms a level's own.
            'bbox_head.cls_convs.0.0.conv.weight': ('cls', 'bbox'),
            'bbox_head.cls_convs.2.0.bn.weight': ('cls', 'bbox'),
            'bbox_head.rtm_cls.0.weight': ('cls',),
            'bbox_head.rtm_reg.0.weight': ('bbox',),
            'bbox_head.kernel_convs.0.0.conv.weight': ('mask',),
            'bbox_head.mask_head.projection.weight': ('mask',),
        },
        metric=MASKS,
        optimizer=ADAM,
        mode='grad',
        remark='Classes and boxes share one tower, and levels its '
        'convolutions.',
    ),
]
