"""Generated label maps, with regions rather than noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def label_map(
    seed: int, num_classes: int, size=(12, 14), cell: int = 3
) -> Tensor:
    """Classes of the largest of smooth random scores, int64 (H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = [max(side // cell, 1) for side in size]
    scores = torch.randn(1, num_classes, *coarse, generator=generator)
    return interpolate(scores, size=size, mode='bilinear').argmax(1)[0]
