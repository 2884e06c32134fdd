"""A detector whose losses are weighted where they become one scalar."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch._compile import _disable_dynamo

from mmada.models.objectives import (
    ObjectiveError,
    Objectives,
    build_objectives,
    check_loss_names,
)

_INNER = 'detector.'
"""Prefix of the detector in the names of a state dict, which hooks hide."""


@MODELS.register_module()
class LossWeightWrapper(BaseModel):
    """Weights the objectives of any detector or segmentor.

    The weighting sits in :meth:`parse_losses`, the one step that plain and
    distributed training share. The wrapper is invisible in the state dict:
    checkpoints load into the bare detector and back.

    Args:
        detector: The model, or its config.
        objectives: A preset ('cascade_panoptic', 'panoptic_fpn'; with '_rpn'
            behind it the losses of the region proposals count as well),
            'auto' (each loss that the first batches have) or a dict of name
            to pattern(s), see :class:`Objectives`.
        weights: Weights at the start, a list in the objectives' order or a
            dict by name (others 1). Defaults to all 1.

    Attributes:
        reweigh: Sets the weights of an iteration by its own losses: is given
            each present objective's raw scalar loss, by index and with its
            graph, and returns the weights. None for weights that are set
            from outside.
    """

    reweigh: Callable[[dict[int, Tensor]], Sequence[float] | Tensor] | None
    transient_attributes = ('_weights', 'reweigh', '_late', '_objectives')

    def __init__(
        self,
        detector: nn.Module | dict[str, Any],
        objectives: str | Mapping[str, str | Sequence[str]] = 'auto',
        weights: Sequence[float] | Mapping[str, float] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        # BaseModel's own constructor would make a second data preprocessor.
        super(BaseModel, self).__init__(init_cfg)
        if not isinstance(detector, nn.Module):
            detector = MODELS.build(detector)
        self.detector: Any = detector
        self._objectives = build_objectives(objectives)
        self._late = _LateLosses() if self._objectives is None else None
        self._initial_weights = weights
        self._weights: tuple[float, ...] | None = None
        self.reweigh = None
        if self._objectives is not None:
            self._set_initial_weights()
        self._register_state_dict_hook(_strip_prefix)
        self.register_load_state_dict_pre_hook(_add_prefix)

    @property
    def data_preprocessor(self) -> nn.Module:
        """The detector's data preprocessor."""
        return self.detector.data_preprocessor

    @property
    def bound_objectives(self) -> Objectives | None:
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
    def weights(self) -> tuple[float, ...]:
        """The weights in force, in the order of the objectives."""
        if self._weights is None:
            self._set_initial_weights()
        assert self._weights is not None
        return self._weights

    def bind(self, loss_names: Sequence[str]) -> None:
        """Fix the objectives to the losses that the model produces.

        Raises:
            ObjectiveError: If an objective has no loss.
        """
        if self._objectives is None:
            self._objectives = Objectives.from_loss_names(loss_names)
        self._objectives.check(loss_names)

    def set_weights(self, weights: Sequence[float] | Tensor) -> None:
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
        self._weights = tuple(values.tolist())

    def reset_weights(self) -> None:
        """Go back to the weights given at construction."""
        self._weights = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the detector."""
        return self.detector(*args, **kwargs)

    # Else a graph is compiled for each weight. `torch.compiler.disable` does
    # the same, but imports the compiler at once, which takes a second.
    @_disable_dynamo
    def parse_losses(
        self, losses: dict[str, Any]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weight the losses and sum them.

        Args:
            losses: Loss name to a tensor or a list of tensors. As in
                MMEngine, names without 'loss' are only logged.

        Returns:
            The weighted sum, and the scalars to log: `loss` (that sum), each
            raw loss by its own name, each weighted one of an objective as
            `weighted/<name>`.
        """
        check_loss_names(losses)
        _, raw = super().parse_losses(losses)
        del raw['loss']
        if self.reweigh is not None:
            terms = {k: v for k, v in raw.items() if 'loss' in k}
            self.set_weights(self.reweigh(self.objectives.reduce(terms)))
        total: Any = 0  # an int at first, as in MMEngine: the same bits
        weighted: OrderedDict[str, Tensor] = OrderedDict()
        for name, value in raw.items():
            if 'loss' not in name:
                continue
            i = self._index(name)
            if i is not None:
                value = value * self.weights[i]
                weighted[f'weighted/{name}'] = value
            total = total + value
        return total, OrderedDict(loss=total, **raw, **weighted)

    def _index(self, name: str) -> int | None:
        known = self._objectives
        i = None if known is None else known.index(name)
        if known is not None and i is None and self._late is not None:
            self._late.note(name)
        return i

    def __getattr__(self, name: str) -> Any:
        """Look up in the detector what the wrapper lacks."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == 'detector':
                raise
            return getattr(self.detector, name)

    def _set_initial_weights(self) -> None:
        names, given = self.objectives.names, self._initial_weights
        if isinstance(given, Mapping):
            unknown = sorted(set(given) - set(names))
            if unknown:
                raise ObjectiveError(
                    f'`weights` should name objectives among '
                    f'{", ".join(names)}. '
                    f'Found {", ".join(map(repr, unknown))}.'
                )
            given = [given.get(name, 1.0) for name in names]
        self.set_weights([1.0] * len(names) if given is None else given)


def _strip_prefix(
    module: nn.Module,
    state_dict: dict[str, Any],
    prefix: str,
    local_metadata: dict[str, Any],
) -> None:
    """Name the entries of a state dict as the bare detector does."""
    _rename(state_dict, prefix + _INNER, prefix)
    metadata = getattr(state_dict, '_metadata', {})
    for key in [k for k in metadata if f'{k}.'.startswith(prefix + _INNER)]:
        value = metadata.pop(key)
        metadata[f'{prefix}{key[len(prefix + _INNER) :]}'.rstrip('.')] = value


def _add_prefix(
    module: nn.Module, state_dict: dict[str, Any], prefix: str, *args: Any
) -> None:
    """Name the entries of a bare detector's state dict as the wrapper's."""
    # Layers that changed their format read their version from here.
    metadata = getattr(state_dict, '_metadata', None) or {}
    for key in [k for k in metadata if k.startswith(prefix)]:
        metadata.setdefault(
            prefix + _INNER + key[len(prefix) :], metadata[key]
        )
    _rename(state_dict, prefix, prefix + _INNER)


def _rename(state_dict: dict[str, Any], old: str, new: str) -> None:
    for key in [k for k in state_dict if k.startswith(old)]:
        state_dict[new + key[len(old) :]] = state_dict.pop(key)


class _LateLosses:
    """Warns once of each loss that no objective was made for.

    With `objectives='auto'` each loss should be an objective, but what the
    first batches lack is not known when the weights are first needed. Such a
    loss keeps weight 1: a training of many hours should not end for it.
    """

    def __init__(self) -> None:
        self._noted: set[str] = set()

    def note(self, name: str) -> None:
        """Note a loss that belongs to no objective."""
        if name in self._noted:
            return
        self._noted.add(name)
        print_log(
            f'Loss {name!r} was in none of the batches that '
            "`objectives='auto'` was found from, so it keeps weight 1. To "
            'weight it, name the objectives by patterns.',
            logger='current',
            level=logging.WARNING,
        )
