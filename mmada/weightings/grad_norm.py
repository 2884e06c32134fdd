"""GradNorm: gradients of equal size, larger for what trains slowly."""

from __future__ import annotations

import copy
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer

from mmada.utils.checks import check_choice, check_number, check_vector
from mmada.utils.measurements import measured
from mmada.weightings.base import GradientWeighting

_OPTIMIZERS: dict[str, type[Optimizer]] = dict(Adam=Adam, SGD=SGD)


def grad_norm_slope(
    weights: Tensor, norms: Tensor, progress: Tensor, alpha: float
) -> Tensor:
    r"""Return the slope of GradNorm's loss in the weights.

    .. math::
        L = \sum_i |w_i n_i - \bar G r_i^\alpha|, \quad
        \partial L / \partial w_i = n_i \, \mathrm{sign}(w_i n_i - \ldots)

    with :math:`\bar G` the mean of :math:`w_i n_i`, which is held constant,
    and :math:`r_i` the progress divided by its mean.

    Args:
        weights: Weights w.
        norms: Norms n of the gradients of the raw losses.
        progress: Losses divided by those at the start.
        alpha: How much more a loss gets that trains slowly.
    """
    sizes = weights * norms
    targets = sizes.mean() * (progress / progress.mean()) ** alpha
    return torch.sign(sizes - targets) * norms


class GradNorm(GradientWeighting):
    """GradNorm (Chen et al., ICML 2018, arXiv 1711.02257).

    The weights are learned beside the network, one step an iteration, and
    add up to n. As in the paper's Algorithm 1 an iteration is trained with
    the weights from before its own step, so the first one with ones.

    Progress is measured from the losses at the start, L(0). Those of a single
    batch are much chance, which alpha raises to a power and which stays for
    the whole training; so they are the means of the first period, as in
    LibMTL, and weights are 1 in it.

    Args:
        alpha: How much more a loss gets that trains slowly; the paper's
            values are 1.5 and, for symmetric tasks, 0.12.
        lr: Learning rate of the weights.
        optimizer: 'Adam' or 'SGD'; the steps of SGD are as large as the
            gradients, so they depend on the scale of the losses.
        floor: Smallest weight that a step leaves, before the sum is set
            to n.
        initial_losses: What L(0) is: ``'period'`` for the mean of the first
            period, an epoch or the hook's `interval`, ``'iteration'`` for the
            losses of the first iteration.

    Raises:
        ValueError: If an option is out of range.
    """

    compares_losses = True

    def __init__(
        self,
        alpha: float = 1.5,
        lr: float = 0.025,
        optimizer: str = 'Adam',
        floor: float = 0.01,
        initial_losses: Literal['period', 'iteration'] = 'period',
    ) -> None:
        self.alpha = check_number('alpha', alpha, 0)
        self.lr = check_number('lr', lr, 0, above=True)
        self.floor = check_number('floor', floor, 0, 1, above=True)
        self._make_optimizer = _OPTIMIZERS[
            check_choice('optimizer', optimizer, _OPTIMIZERS)
        ]
        self.needs_period = (
            check_choice(
                'initial_losses', initial_losses, ('period', 'iteration')
            )
            == 'period'
        )
        self._initial: Tensor | None = None

    def weights(self, losses: Tensor, gradients: Tensor) -> Tensor:
        """Return the weights, then learn; see :class:`GradientWeighting`.

        They are 1 as long as the losses at the start are not known.

        Nothing is learned where a loss or its gradient is no measurement: an
        objective without targets in an iteration is not one that was learned.
        """
        losses = check_vector('losses', losses, len(gradients))
        self.check_losses(losses)
        norms = torch.linalg.vector_norm(gradients, dim=1)
        norms = norms.to('cpu', torch.float64)
        complete = bool((measured(losses) & measured(norms)).all())
        if self._initial is None:
            if self.needs_period or not complete:
                return torch.ones_like(losses)
            self._start(losses)
        weights = self._weights.detach().clone()
        if complete:
            self._step(losses, norms)
        return weights

    def end_period(self, losses: Tensor) -> None:
        """Begin to learn, unless an objective was not measured."""
        if self._initial is None and bool(measured(losses).all()):
            self._start(losses.clone())

    def state_dict(self) -> dict[str, Any]:
        """Return weights, first losses and the optimizer's state."""
        if self._initial is None:
            return {}
        return dict(
            weights=self._weights.detach().clone(),
            initial_losses=self._initial.clone(),
            optimizer=copy.deepcopy(self._optimizer.state_dict()),
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state; options stay those given."""
        if not state:
            return
        self._start(state['initial_losses'].to('cpu', copy=True))
        with torch.no_grad():
            self._weights.copy_(state['weights'])
        groups = self._optimizer.state_dict()['param_groups']
        moments = copy.deepcopy(state['optimizer']['state'])
        self._optimizer.load_state_dict(
            dict(state=moments, param_groups=groups)
        )

    def _start(self, losses: Tensor) -> None:
        self._initial = losses
        self._weights = torch.ones_like(losses).requires_grad_()
        self._optimizer = self._make_optimizer(
            [self._weights],
            lr=self.lr,  # type: ignore[call-arg]
        )

    @torch.no_grad()
    def _step(self, losses: Tensor, norms: Tensor) -> None:
        assert self._initial is not None
        weights = self._weights
        weights.grad = grad_norm_slope(
            weights.detach(), norms, losses / self._initial, self.alpha
        )
        self._optimizer.step()
        weights.clamp_(min=self.floor)
        weights.mul_(len(weights) / weights.sum())
