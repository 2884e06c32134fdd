"""A panoptic FPN head whose loss sees maps instead of single pixels."""

from __future__ import annotations

import torch
from mmdet.models.seg_heads import PanopticFPNHead
from mmdet.models.utils import interpolate_as
from mmengine.registry import MODELS
from torch import Tensor
from torch.nn import functional


@MODELS.register_module()
class MapPanopticFPNHead(PanopticFPNHead):
    """`PanopticFPNHead` for losses that look at the neighbours of a pixel.

    MMDetection's head hands its loss one long list of pixels, in which nothing
    has a neighbour. This one hands over logits of shape ``(N, C, H, W)`` and
    labels of shape ``(N, H, W)``; everything else is the same, and so is
    the value of any loss that treats pixels one by one.
    """

    def loss(
        self, x: Tensor | tuple[Tensor, ...], batch_data_samples: list
    ) -> dict[str, Tensor]:
        """Return the loss of the semantic head.

        Args:
            x: Feature maps.
            batch_data_samples: With ``gt_sem_seg``.
        """
        logits = self(x)['seg_preds']
        maps = torch.stack(
            [each.gt_sem_seg.sem_seg for each in batch_data_samples]
        ).float()
        if self.seg_rescale_factor != 1.0:
            maps = functional.interpolate(
                maps, scale_factor=self.seg_rescale_factor, mode='nearest'
            )
        label = self._set_things_to_void(maps.squeeze(1)).long()
        logits = interpolate_as(logits, label)
        return {'loss_seg': self.loss_seg(logits, label)}
