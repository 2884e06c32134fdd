"""The weights in force of a model's objectives."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmada.models.objectives import (
    ObjectiveError,
    Objectives,
    ObjectiveSpec,
    build_objectives,
)

Weights = Sequence[float] | Mapping[str, float]


class ObjectiveWeights:
    """The objectives of a model and the weights in force.

    Args:
        objectives: A preset ('cascade_panoptic', 'panoptic_fpn'; with '_rpn'
            behind it the losses of the region proposals count as well),
            'auto' (each loss that the first batches have) or a dict of name
            to pattern(s), see :class:`Objectives`.
        initial: Weights at the start, a list in the objectives' order or a
            dict by name (others 1). Defaults to all 1.

    Attributes:
        spec: `objectives` as given.
        reweigh: Sets the weights of an iteration by its own losses: is given
            each present objective's raw scalar loss, by index and with its
            graph, and returns the weights. None for weights that are set
            from outside. A copy of the model has none.
    """

    reweigh: Callable[[dict[int, Tensor]], Sequence[float] | Tensor] | None

    def __init__(
        self,
        objectives: ObjectiveSpec = 'auto',
        initial: Weights | None = None,
    ) -> None:
        self.spec = objectives
        self.reweigh = None
        self._initial = initial
        self._objectives = build_objectives(objectives)
        self._late = None if self._objectives else _LateLosses()
        self._values: tuple[float, ...] | None = None
        if self._objectives is not None:
            self.reset()

    @property
    def bound(self) -> Objectives | None:
        """The objectives; None for 'auto' before :meth:`bind`."""
        return self._objectives

    @property
    def objectives(self) -> Objectives:
        """The objectives; for 'auto' known after :meth:`bind`."""
        if self._objectives is None:
            raise ObjectiveError(
                "`objectives='auto'` are known only after "
                'the model has produced its losses once.'
            )
        return self._objectives

    @property
    def values(self) -> tuple[float, ...]:
        """The weights in force, in the order of the objectives."""
        if self._values is None:
            self.reset()
        assert self._values is not None
        return self._values

    def bind(self, loss_names: Sequence[str]) -> None:
        """Fix the objectives to the losses that the model produces.

        Raises:
            ObjectiveError: If an objective has no loss.
        """
        if self._objectives is None:
            self._objectives = Objectives.from_loss_names(loss_names)
            self.reset()
        self._objectives.check(loss_names)

    def set(self, weights: Sequence[float] | Tensor) -> None:
        """Set the weights of all objectives.

        Args:
            weights: Finite numbers >= 0, one an objective, in their order.

        Raises:
            ValueError: If the number or a value does not fit.
        """
        values = torch.as_tensor(weights, dtype=torch.float64).reshape(-1)
        names = self.objectives.names
        if len(values) != len(names):
            raise ValueError(
                f'`weights` should have {len(names)} values, of '
                f'{", ".join(names)}. Found {len(values)}.'
            )
        if not bool(torch.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(
                '`weights` should be finite and not negative. '
                f'Found {values.tolist()}.'
            )
        self._values = tuple(values.tolist())

    def reset(self) -> None:
        """Go back to the weights given at the start.

        Raises:
            ValueError: If they do not fit the objectives.
        """
        names, given = self.objectives.names, self._initial
        if isinstance(given, Mapping):
            unknown = sorted(set(given) - set(names))
            if unknown:
                raise ObjectiveError(
                    f'`weights` should name objectives among '
                    f'{", ".join(names)}. '
                    f'Found {", ".join(map(repr, unknown))}.'
                )
            given = [given.get(name, 1.0) for name in names]
        self.set([1.0] * len(names) if given is None else given)

    def weights_of(self, raw: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the weight of each loss of an iteration.

        Args:
            raw: Loss name to raw scalar, with its graph.

        Returns:
            Loss name to weight; losses of no objective are absent.
        """
        if self._objectives is None:
            if self._initial is None or not (raw or self._initial):
                return {}  # nothing was set, so all weights are 1
            self.bind(list(raw))
        if self.reweigh is not None:
            self.set(self.reweigh(self.objectives.reduce(raw)))
        indices = {name: self.objectives.index(name) for name in raw}
        if self._late is not None:
            self._late.note([n for n, i in indices.items() if i is None])
        return {
            name: self.values[i]
            for name, i in indices.items()
            if i is not None
        }

    def __getstate__(self) -> dict[str, Any]:
        # What reweighs belongs to one training of the original.
        return self.__dict__ | dict(reweigh=None)


class _LateLosses:
    """Warns once of each loss that no objective was made for.

    With `objectives='auto'` each loss should be an objective, but what the
    first batches lack is not known when the weights are first needed. Such a
    loss keeps weight 1: a training of many hours should not end for it.
    """

    def __init__(self) -> None:
        self._noted: set[str] = set()

    def note(self, names: Sequence[str]) -> None:
        """Note losses that belong to no objective."""
        for name in names:
            if name in self._noted:
                continue
            self._noted.add(name)
            print_log(
                f'Loss {name!r} was in none of the batches that '
                "`objectives='auto'` was found from, so it keeps weight 1. "
                'To weight it, name the objectives by patterns, this one as '
                f"`dict(pattern='{name}', late=True)`.",
                logger='current',
                level=logging.WARNING,
            )
