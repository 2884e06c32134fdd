"""A control: random weights, of which the best replica is kept."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mmada.controllers.schedule_search import REPLAY, ScheduleSearch
from mmada.controllers.weight_draws import log_normal
from mmada.utils.checks import check_number


class RandomWeights(ScheduleSearch):
    """Draws anew in every round and passes the best replica on.

    What a population gains by selection alone: nothing is learned, neither
    about the weights nor about the winners.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        initial: Weights that all draws lie around; None for all ones.
            Defaults to None.
        sigma: Standard deviation of the logarithm of the factor on each
            weight. Defaults to 0.8.
        gamma: Discount of the ensemble (Eq. 7). Defaults to ``REPLAY``.
        seed: Seed of the draws. Defaults to 0.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        initial: Sequence[float] | None = None,
        sigma: float = 0.8,
        gamma: float = REPLAY,
        seed: int = 0,
    ) -> None:
        self._sigma = check_number('sigma', sigma, 0, above=True)
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            initial,
            gamma,
            dict(sigma=sigma),
        )

    def _draw(self) -> Tensor:
        return log_normal(
            self._initial, self._sigma, self.num_replicas, self._generator
        )
