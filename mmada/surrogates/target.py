"""What the probabilities of a batch are compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Target:
    """A label map, and how much each of its pixels counts.

    Args:
        label: Class of each pixel, 0 where ignored; int64, shape
            ``(N, ...)``.
        num_classes: Number of classes, ``C``.
        valid: Where a pixel is not ignored; bool, same shape. None: all are.
        weight: Weight of each pixel, 0 where ignored; floating, same shape.
            None: all weigh 1.
    """

    label: Tensor
    num_classes: int
    valid: Tensor | None = None
    weight: Tensor | None = None

    def counting(self, mask: Tensor) -> Target:
        """Return the same target with only some pixels counted.

        Args:
            mask: Which pixels; bool, of the shape of the label.
        """
        weight = self.weight
        kept = mask.float() if weight is None else weight * mask
        return replace(self, weight=kept)

    def of_classes(self, kept: Tensor) -> Target:
        """Return the same target with only some classes, in their order.

        Pixels of the others become the first one's, and must not count.

        Args:
            kept: Indices of classes, rising, shape ``(K,)``.
        """
        places = kept.new_zeros(self.num_classes)
        places[kept] = torch.arange(len(kept), device=kept.device)
        return replace(self, label=places[self.label], num_classes=len(kept))

    def class_sums(self, values: Tensor | None = None) -> Tensor:
        """Add up a number per pixel over the pixels of each class.

        Args:
            values: Numbers, of the shape of the label. None: all are 1.

        Returns:
            Weighted sums in float64, shape ``(C,)``.
        """
        if values is None:
            values = torch.ones_like(self.label, dtype=torch.float64)
        if self.weight is not None:
            values = values * self.weight
        sums = values.new_zeros(self.num_classes, dtype=torch.float64)
        return sums.index_add(
            0, self.label.flatten(), values.flatten().double()
        )

    def of_class(self, maps: Tensor) -> Tensor:
        """Return what each pixel's map of its own class holds.

        Args:
            maps: Shape ``(N, C, ...)``.

        Returns:
            Shape of the label.
        """
        return maps.gather(1, self.label[:, None]).squeeze(1)


def read_target(
    label: Tensor,
    num_classes: int,
    ignore_index: int | None = None,
    weight: Tensor | None = None,
) -> Target:
    """Read a label map.

    Args:
        label: Integers, shape ``(N, ...)``.
        num_classes: Number of classes.
        ignore_index: Label of pixels that do not count. None: all count.
        weight: Weight of each pixel, not negative, of the same shape.

    Raises:
        ValueError: If a label is no class and not to be ignored.
    """
    wrong = (label < 0) | (label >= num_classes)
    if ignore_index is None:
        ignored = torch.zeros_like(wrong)
    else:
        ignored = label == ignore_index
    # One transfer for both answers.
    has_wrong, has_ignored = torch.stack(
        [(wrong & ~ignored).any(), ignored.any()]
    ).tolist()
    if has_wrong:
        found = label[wrong & ~ignored].unique().tolist()
        raise ValueError(
            f'`label` should be in [0, {num_classes - 1}], as many as the '
            f'logits have channels, or `ignore_index`={ignore_index}. '
            f'Found {found[:8]}.'
        )
    valid = None
    label = label.long()
    if has_ignored:
        valid = ~ignored
        label = label.masked_fill(ignored, 0)
        mask = valid.float()
        weight = mask if weight is None else weight.float() * mask
    return Target(label, num_classes, valid, weight)


def where_counted(metric: Tensor, counted: Tensor) -> Tensor:
    """Return a metric, or 1 without gradient if nothing counted.

    What has no pixel to judge has nothing to improve: its loss is 0.

    Args:
        metric: A finite scalar.
        counted: Weight of what it was taken over, a scalar.
    """
    return torch.where(counted > 0, metric, torch.ones_like(metric)).clamp(
        max=1
    )
