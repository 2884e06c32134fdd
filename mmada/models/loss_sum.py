"""Several losses where a head expects one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class LossSum(nn.Module):
    """Adds up losses that are given the same arguments.

    Args:
        losses: Configs of the losses, each with its own `loss_weight`.

    Raises:
        ValueError: If there is none, or an option that a base config brings.
    """

    def __init__(
        self, losses: Sequence[dict[str, Any]] = (), **unknown: Any
    ) -> None:
        super().__init__()
        if unknown:
            raise ValueError(
                '`LossSum` should have the option `losses` alone. Found '
                f'{", ".join(map(repr, unknown))}. `_delete_=True` beside '
                '`type` drops those that a base config brings; what is meant '
                'for one of the losses belongs in its own dict.'
            )
        if not losses:
            raise ValueError('`losses` should hold at least one. Found none.')
        self.losses = nn.ModuleList(MODELS.build(each) for each in losses)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the sum of all losses."""
        return sum(loss(*args, **kwargs) for loss in self.losses)
