"""Labels as the semantic head of Panoptic FPN numbers them."""

from __future__ import annotations

from typing import Any

from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MergeThingLabels(BaseTransform):
    """Number stuff classes from 0 and give all things the label after them.

    mmdet's ``PanopticFPNHead`` knows of things only that they are things,
    and renumbers the labels itself when it trains. To score what it predicts,
    put this behind the loading of the truth and tell the metric of
    ``num_classes=num_stuff + 1``. A head with a channel for every class needs
    nothing of this: the loaded map has things first, then stuff.

    Args:
        num_things: Number of thing classes; their labels come first.
        num_stuff: Number of stuff classes; their labels follow.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(self, num_things: int, num_stuff: int) -> None:
        for name, value in dict(
            num_things=num_things, num_stuff=num_stuff
        ).items():
            if value < 1:
                raise ValueError(f'{name} should be at least 1, found {value}')
        self.num_things = num_things
        self.num_stuff = num_stuff

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``gt_seg_map``; labels of no class stay as they are.

        Args:
            results: ``gt_seg_map`` of ``LoadPanopticAnnotations``.

        Returns:
            The same dict.
        """
        labels = results['gt_seg_map']
        merged = labels.copy()
        things = (labels >= 0) & (labels < self.num_things)
        stuff = (labels >= self.num_things) & (
            labels < self.num_things + self.num_stuff
        )
        merged[things] = self.num_stuff
        merged[stuff] -= self.num_things
        results['gt_seg_map'] = merged
        return results
