"""What is a measurement: one rule for losses, and one for metrics.

A loss that is absent (NaN), not finite, or exactly 0, as detectors give it
where an image has no targets, says nothing of how well a model does. Neither
does COCO's -1, which stands for the AP of objects that the data lack.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor

_COCO_METRIC = re.compile(r'(?<![A-Za-z])m?A[PR](?![A-Z])')
"""Names of average precision and recall: `mAP_50`, `APs`, `AR@100`."""


def measured(losses: Tensor) -> Tensor:
    """Return which losses are measurements, of their shape."""
    return losses.isfinite() & (losses != 0)


def known_losses(losses: Tensor) -> Tensor:
    """Return the losses, NaN where one is no measurement."""
    return losses.where(measured(losses), torch.nan)


def latest_losses(found: Tensor, before: Tensor | None) -> Tensor:
    """Return the losses, those of before where one is no measurement.

    Args:
        found: Losses, shape ``(n,)``.
        before: The last that are known, NaN where none is; None for none.
    """
    known = known_losses(found)
    return known if before is None else known.where(measured(found), before)


def check_not_negative(
    losses: Tensor, names: Sequence[str], method: str
) -> None:
    """Check losses for a method of their ratios or logarithms.

    Args:
        losses: Raw losses, shape ``(n,)``; what is no measurement passes.
        names: Of the objectives; none if they are not known.
        method: What weighs by them.

    Raises:
        ValueError: If a loss is negative, naming the objectives.
    """
    negative = (measured(losses) & (losses < 0)).nonzero().flatten().tolist()
    if negative:
        found = ', '.join(
            f'{losses[i]:.4g} of {names[i]!r}'
            if names
            else f'{losses[i]:.4g} of objective {i}'
            for i in negative
        )
        raise ValueError(
            f'`losses` should not be negative for {method}, which compares '
            f'them by ratios or logarithms. Found {found}. Leave such a loss '
            'out of `objectives`, where it keeps weight 1, or choose a method '
            'that needs no losses.'
        )


def known_metric(key: str, value: float) -> float:
    """Return the value of a metric, NaN for COCO's -1.

    Args:
        key: Of the metric, such as ``coco/bbox_mAP_l``.
        value: What an evaluator gave.
    """
    no_truth = value == -1 and _COCO_METRIC.search(key)
    return math.nan if no_truth else float(value)
