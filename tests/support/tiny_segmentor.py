"""A segmentor of MMSegmentation with two heads, and maps to train it on."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.registry import DATASETS
from mmengine.structures import PixelData

from tests.support.tiny_data import CLASSES, THINGS, TinyBoxes
from tests.support.tiny_parts import GROUP_NORM, WIDTH, backbone


@DATASETS.register_module()
class TinyMaps(TinyBoxes):
    """The images of TinyBoxes with a class at each pixel."""

    def __getitem__(self, index):
        item = super().__getitem__(index)
        sample = item['data_samples']
        truth = sample.gt_instances
        labels = np.full(sample.ori_shape, THINGS)  # the ground
        for label, mask in zip(truth.labels, truth.masks.masks, strict=True):
            labels[mask > 0] = label
        del sample.gt_instances
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(labels)[None])
        return item


def _head(in_index, channels, loss):
    return dict(
        type='FCNHead',
        in_index=in_index,
        in_channels=channels,
        channels=WIDTH,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0,
        num_classes=len(CLASSES),
        norm_cfg=GROUP_NORM,
        align_corners=False,
        loss_decode=loss,
    )


_CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True)

SEGMENTOR = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[120.0] * 3,
        std=[60.0] * 3,
        size_divisor=32,
        test_cfg=dict(size_divisor=32),
    ),
    backbone=backbone(3, (0, 1, 2)),
    decode_head=_head(
        2,
        32,
        [
            dict(_CROSS_ENTROPY, loss_name='loss_ce'),
            dict(type='DiceLoss', loss_name='loss_dice', loss_weight=3.0),
        ],
    ),
    auxiliary_head=_head(1, 16, dict(_CROSS_ENTROPY, loss_weight=0.4)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
