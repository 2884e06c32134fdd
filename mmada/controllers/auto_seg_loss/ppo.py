"""The policy of Auto Seg-Loss: a mean in (0, 1)^P that PPO moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from mmada.controllers.ppo import per_parameter_loss
from mmada.controllers.truncated_normal import log_density, sample
from mmada.utils.checks import check_int, check_number


class MeanLearner:
    """Moves the means of truncated normals; their width stays.

    The mean is a sigmoid, mu = sigmoid(mu_x), so that no step takes it out
    of (0, 1). Adam's moments stay from round to round.

    Args:
        size: Number P of parameters.
        initial: First mean, P numbers in (0, 1); None for one half each.
        sigma: Standard deviation of the normals.
        lr: Adam's learning rate.
        updates: Adam steps of one update.
        clip: Clipping of the density ratio.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        size: int,
        initial: Sequence[float] | None,
        sigma: float,
        lr: float,
        updates: int,
        clip: float,
    ) -> None:
        mean = _check_mean(initial, size)
        self.sigma = check_number('sigma', sigma, 0, above=True)
        self.lr = check_number('lr', lr, 0)
        self.updates = check_int('updates', updates, 1)
        self.clip = check_number('clip', clip, 0, 1, above=True)
        self._logit = mean.logit().requires_grad_()
        self._optimizer = torch.optim.Adam([self._logit])

    @property
    def mean(self) -> Tensor:
        """The mean mu, shape ``(P,)``."""
        return self._logit.detach().sigmoid()

    def sample(self, count: int, generator: Generator) -> Tensor:
        """Draw actions around the present mean, shape ``(count, P)``."""
        return sample(self.mean, self.sigma, count, generator)

    def update(
        self, actions: Tensor, advantages: Tensor, share: float
    ) -> None:
        """Make actions of a positive advantage more likely.

        Args:
            actions: Samples drawn around the present mean, ``(S, P)``.
            advantages: Of each sample, shape ``(S,)``.
            share: Share of the learning rate to go with.
        """
        self._optimizer.param_groups[0]['lr'] = share * self.lr
        old = log_density(actions, self.mean, self.sigma)
        for _ in range(self.updates):
            new = log_density(actions, self._logit.sigmoid(), self.sigma)
            loss = per_parameter_loss(new, old, advantages, self.clip)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return mu_x and Adam's state."""
        return dict(
            logit=self._logit.detach(), optimizer=self._optimizer.state_dict()
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        with torch.no_grad():
            self._logit.copy_(state['logit'])
        self._optimizer.load_state_dict(state['optimizer'])


def _check_mean(initial: Sequence[float] | None, size: int) -> Tensor:
    values = [0.5] * size if initial is None else list(initial)
    mean = torch.tensor(values, dtype=torch.float64)
    if tuple(mean.shape) != (size,) or not ((mean > 0) & (mean < 1)).all():
        raise ValueError(
            f'`initial` should be {size} numbers in (0, 1). Found {values}.'
        )
    return mean
