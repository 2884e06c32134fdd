"""A look at the model: its losses, and which of them own a parameter."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from mmengine import dist
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmada.engine.distributed import without_all_reduce
from mmada.engine.mmengine_adapters import forward_losses
from mmada.engine.optimizers import head_rule_of
from mmada.engine.owners import find_owners
from mmada.engine.replicas.buffers import Buffers
from mmada.engine.replicas.plain_state import PlainState
from mmada.engine.training_features import check_reentrant
from mmada.models import (
    LossWeightWrapper,
    Objectives,
    inner_model,
    is_loss,
    iteration_losses,
    reduce_losses,
)
from mmada.utils.seeding import preserve_rng

MAX_BATCHES = 4  # a cascade stage may have no proposal in the first ones

T = TypeVar('T')


def probe_objectives(
    model: nn.Module, optim_wrapper: OptimWrapper, batches: Iterable[Any]
) -> None:
    """Bind the objectives and tag parameter groups with their owners.

    Generators, buffers and attributes are left as they were. All ranks find
    the same, whatever their batches: what one of them sees, all know.

    Args:
        model: Weighted, may be inside a model wrapper.
        optim_wrapper: Built by HeadRuleOptimWrapperConstructor.
        batches: Up to four are used: until every objective was seen with a
            gradient, and all of them where the objectives are what is seen.

    Raises:
        ObjectiveError: If an objective has no loss in any batch.
        ValueError: If gradients of an objective cannot be computed.
    """
    weighted = unwrap(model)
    with _undisturbed(weighted, optim_wrapper):
        seen = _look(weighted, optim_wrapper, batches)
        weighted.objective_weights.bind(seen.names)
        head_rule_of(optim_wrapper).assign(seen.owners)
    _log_owners(weighted, seen.owners)
    if any(parameter.requires_grad for parameter in weighted.parameters()):
        _warn_of_unreached(weighted.objective_weights.objectives, seen)
    _warn_of_unsummed(seen.unsummed)


class OwnerUpdates:
    """Finds owners again while a training goes on.

    A parameter that a hook has unfrozen, or one of a loss that has appeared,
    has owners now; those that are known stay.

    Args:
        model: Weighted and just looked at, may be inside a model wrapper.
        optim_wrapper: Its optimizer wrapper.
    """

    def __init__(self, model: nn.Module, optim_wrapper: OptimWrapper) -> None:
        self._model = model
        self._optim_wrapper = optim_wrapper
        self._objectives = unwrap(model).objective_weights.objectives
        self._parameters = list(unwrap(model).parameters())
        self._first = self._attached = self._trained()
        self._tags = self._owned_by()
        self.begin()

    def begin(self) -> None:
        """Begin a segment, whose owners are in the optimizer's state."""
        self._looked = self._first
        self._appeared = False
        if self._owned_by() != self._tags:
            self._attach()
        self._awaited = self._objectives.late
        if self._awaited:
            self._awaited -= head_rule_of(self._optim_wrapper).reaching()

    def update(self, batches: Callable[[], Iterable[Any]]) -> bool:
        """Find owners that are not known, before an iteration.

        Args:
            batches: Returns batches as for :func:`probe_objectives`.

        Returns:
            Whether other parameters are trainable, or have other owners.
        """
        now = self._trained()
        if now == self._attached == self._first and not self._appeared:
            return False
        unknown = self._appeared or self._any_unknown(now)
        if now == self._attached and not unknown:
            return False
        if unknown:
            self._look(batches())
        self._attach()
        self._looked = [a or b for a, b in zip(now, self._looked, strict=True)]
        self._attached, self._appeared = now, False
        return True

    def note(self, log_vars: Mapping[str, Tensor]) -> None:
        """Note late objectives that have appeared in an iteration.

        Args:
            log_vars: What the iteration logs, on all ranks.
        """
        if not self._awaited:
            return
        objectives = self._objectives
        found = iteration_losses(objectives.reduce(log_vars), len(objectives))
        appeared = {i for i in self._awaited if found[i].isfinite()}
        self._awaited -= appeared
        self._appeared |= bool(appeared)

    def _look(self, batches: Iterable[Any]) -> None:
        weighted = unwrap(self._model)
        with _undisturbed(weighted, self._optim_wrapper):
            seen = _look(weighted, self._optim_wrapper, batches)
            rule = head_rule_of(self._optim_wrapper)
            rule.assign(seen.owners, keep=True)
        _log_owners(weighted, seen.owners)

    def _attach(self) -> None:
        rule = head_rule_of(self._optim_wrapper)
        rule.remove()  # it acts on what was trainable, and had owners
        rule.attach()
        self._tags = self._owned_by()

    def _owned_by(self) -> list[list[int]]:
        groups = self._optim_wrapper.optimizer.param_groups
        return [list(group.get('objectives', ())) for group in groups]

    def _any_unknown(self, now: list[bool]) -> bool:
        owned = {
            id(group['params'][0])
            for group in self._optim_wrapper.optimizer.param_groups
            if group.get('objectives')
        }
        return any(
            trained and not looked and id(parameter) not in owned
            for parameter, trained, looked in zip(
                self._parameters, now, self._looked, strict=True
            )
        )

    def _trained(self) -> list[bool]:
        return [parameter.requires_grad for parameter in self._parameters]


def unwrap(model: nn.Module) -> LossWeightWrapper:
    """Return the weighted model inside a model wrapper.

    Raises:
        TypeError: If it is not weighted.
    """
    inner = inner_model(model)
    if not isinstance(inner, LossWeightWrapper):
        raise TypeError(
            '`model.type` should be LossWeightWrapper, around the detector, '
            'or `objectives` should be set in the hook or the target that '
            f'weighs it. Found {type(inner).__name__}.'
        )
    return inner


def raw_losses(
    model: LossWeightWrapper, optim_wrapper: OptimWrapper, batch: Any
) -> dict[str, Tensor]:
    """Return the losses of a batch by name, as in training, no step done.

    Args:
        model: The model, outside of model wrappers.
        optim_wrapper: Gives the context, such as autocast.
        batch: As the dataloader returns it.
    """
    return _losses_of(model, _outputs(model, optim_wrapper, batch))


def _outputs(
    model: LossWeightWrapper, optim_wrapper: OptimWrapper, batch: Any
) -> Mapping[str, Any]:
    """Return what the model makes of a batch in training, no step done."""
    model.train()
    with optim_wrapper.optim_context(model):
        data = model.data_preprocessor(batch, True)
        return forward_losses(model, data)


def _losses_of(
    model: LossWeightWrapper, outputs: Mapping[str, Any]
) -> dict[str, Tensor]:
    found = reduce_losses(model, outputs)
    return {k: v for k, v in found.items() if is_loss(k)}


def _unsummed(outputs: Mapping[str, Any]) -> list[str]:
    """Return values with a gradient that MMEngine does not add to the loss."""
    return [
        name
        for name, value in outputs.items()
        if 'loss' not in name
        and any(
            isinstance(each, Tensor) and each.requires_grad
            for each in (value if isinstance(value, list) else [value])
        )
    ]


class _Seen(NamedTuple):
    """What a look at the model has found.

    Attributes:
        names: Losses, in the order in which they appeared.
        owners: Parameter name to the objectives that reach it.
        unsummed: Values that have a gradient, but are not losses by name.
    """

    names: list[str]
    owners: dict[str, set[int]]
    unsummed: list[str]


@contextlib.contextmanager
def _undisturbed(
    model: LossWeightWrapper, optim_wrapper: OptimWrapper
) -> Iterator[None]:
    """Leave everything but gradients as it was, and no head rule acting."""
    rule = head_rule_of(optim_wrapper)
    buffers = Buffers(model)
    kept = buffers.capture()
    rule.remove()  # it cannot act before it knows the owners
    attributes = PlainState(model)
    with attributes.preserved(), preserve_rng(), torch.enable_grad():
        yield
    buffers.restore(kept)
    rule.attach()


def _look(
    model: LossWeightWrapper, optim_wrapper: OptimWrapper, batches: Any
) -> _Seen:
    parameters = dict(model.named_parameters())
    owners: dict[str, set[int]] = {name: set() for name in parameters}
    names: dict[str, None] = {}
    unsummed: dict[str, None] = {}
    # A loss of a batch without targets may be a zero that has no gradient.
    differentiable: set[str] = set()
    objectives = model.objective_weights.bound
    # Where all is frozen, as in a dry run, gradients tell nothing.
    frozen = not any(p.requires_grad for p in parameters.values())
    for batch in itertools.islice(batches, MAX_BATCHES):
        outputs = _outputs(model, optim_wrapper, batch)
        unsummed |= dict.fromkeys(_unsummed(outputs))
        losses = _losses_of(model, outputs)
        known = len(differentiable)
        has_gradient = {
            k: frozen or v.requires_grad for k, v in losses.items()
        }
        for found in _of_all_ranks(has_gradient):
            names |= dict.fromkeys(found)
            differentiable |= {name for name, has in found.items() if has}
        if objectives is None and len(differentiable) == known:
            continue  # owners are costly where each loss is an objective
        # What is seen later comes last, so indices stay as they are.
        current = objectives or Objectives.from_loss_names(names)
        _add(owners, _owners(model, current.reduce(losses), parameters))
        if objectives is not None and not objectives.unmatched(differentiable):
            break
    for others in _of_all_ranks(owners):
        _add(owners, others)
    return _Seen(list(names), owners, list(unsummed))


def _owners(
    model: LossWeightWrapper,
    objectives: Mapping[int, Tensor],
    parameters: Mapping[str, nn.Parameter],
) -> dict[str, tuple[int, ...]]:
    try:
        # A rank may lack an objective, and with it a backward pass.
        with without_all_reduce():
            return find_owners(objectives, parameters)
    except RuntimeError as error:
        check_reentrant(error, model)
        raise


def _add(
    owners: dict[str, set[int]], found: Mapping[str, Iterable[int]]
) -> None:
    for name, indices in found.items():
        owners[name].update(indices)


def _of_all_ranks(value: T) -> list[T]:
    """Return the values of all ranks, in their order."""
    if not dist.is_distributed():
        return [value]
    gathered: list[T] = dist.all_gather_object(value)
    return gathered


def _log_owners(
    model: LossWeightWrapper, owners: Mapping[str, set[int]]
) -> None:
    objectives = model.objective_weights.objectives.names
    counts: dict[str, int] = {}
    for found in owners.values():
        label = (
            'trunk'
            if len(found) == len(objectives)
            else ' + '.join(objectives[i] for i in sorted(found)) or 'none'
        )
        counts[label] = counts.get(label, 0) + 1
    text = ', '.join(f'{label}: {n}' for label, n in counts.items())
    print_log(
        f'Parameters by the objectives that reach them: {text}.',
        logger='current',
    )


def _warn_of_unreached(objectives: Objectives, seen: _Seen) -> None:
    """Warn of objectives whose losses train nothing."""
    reaching = set(itertools.chain.from_iterable(seen.owners.values()))
    absent = objectives.unmatched(seen.names)
    unreached = [
        name
        for i, name in enumerate(objectives.names)
        if i not in reaching and name not in absent
    ]
    if unreached:
        print_log(
            f'Objective(s) {", ".join(map(repr, unreached))} reach no '
            'trainable parameter in the first batches. Such a weight changes '
            'nothing but takes its share of the mean of all weights, and '
            'weightings by gradients keep all weights as they are. Leave out '
            'of `objectives` what is detached, frozen or only logged.',
            logger='current',
            level=logging.WARNING,
        )


def _warn_of_unsummed(names: Sequence[str]) -> None:
    """Warn of what seems to be a loss, but trains nothing for its name."""
    if names:
        print_log(
            f'The model returns {", ".join(map(repr, names))} with a '
            "gradient, but MMEngine sums only what has 'loss' in its name. If "
            'it is a loss, rename it; else detach it.',
            logger='current',
            level=logging.WARNING,
        )
