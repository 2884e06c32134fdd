"""Mean weights and losses of the iterations of a period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class PeriodMeans:
    """Averages weights over all iterations, losses where there are some.

    Args:
        size: Number n of objectives.
    """

    def __init__(self, size: int) -> None:
        # Rows: weights and losses; and in how many iterations there was one.
        self._sums = torch.zeros(2, size, dtype=torch.float64)
        self._counts = torch.zeros_like(self._sums)

    def add(self, weights: Sequence[float], losses: Tensor) -> None:
        """Adds an iteration; a loss that is not finite counts as absent."""
        both = torch.stack(
            [torch.tensor(weights, dtype=torch.float64), losses]
        )
        self._sums += both.where(both.isfinite(), 0.0)
        self._counts += both.isfinite()

    @property
    def weights(self) -> list[float]:
        """The mean weights."""
        return (self._sums[0] / self._counts[0]).tolist()

    @property
    def losses(self) -> Tensor:
        """The mean losses, NaN where an objective was always absent."""
        return self._sums[1] / self._counts[1]  # 0 / 0 is NaN

    def state_dict(self) -> dict[str, Any]:
        """Returns the sums and counts so far."""
        return dict(sums=self._sums.clone(), counts=self._counts.clone())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from stored sums and counts."""
        self._sums = state['sums'].clone()
        self._counts = state['counts'].clone()
