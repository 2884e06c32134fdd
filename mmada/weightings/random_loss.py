"""Random loss weighting: chance alone, as something to be better than."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmada.utils.checks import check_int
from mmada.weightings.base import StepWeighting


class RandomLossWeighting(StepWeighting):
    r"""Random loss weighting, RLW (Lin et al., TMLR 2022, arXiv 2111.10603).

    .. math:: w = n \, \mathrm{softmax}(x), \quad x_i \sim N(0, 1)

    drawn anew for every iteration. The paper's weights add up to 1; these
    have mean 1, like those of the other methods.

    Args:
        seed: Seed of the draws, the same on all ranks.
    """

    def __init__(self, seed: int = 0) -> None:
        seed = check_int('seed', seed, 0)
        self._generator = torch.Generator().manual_seed(seed)

    def weights(self, step: int, num_steps: int) -> Tensor:
        """Return the next draw; see :class:`StepWeighting`."""
        n = len(self.names)
        draws = torch.randn(n, generator=self._generator, dtype=torch.float64)
        return n * draws.softmax(0)

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state."""
        return dict(generator=self._generator.get_state())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the draws of a stored state."""
        self._generator.set_state(state['generator'])
