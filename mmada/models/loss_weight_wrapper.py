"""A detector whose losses are weighted where they become one scalar.

A weighted model is the detector itself: an instance of a class made from the
detector's own and :class:`LossWeightWrapper`, which adds
`parse_losses`. So names of parameters, state dict, attributes, `to`,
`train_step` and `isinstance` are the detector's by construction. What belongs
to the weighting is in one attribute, `objective_weights`.
"""

from __future__ import annotations

import copyreg
import functools
import inspect
import types
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

from mmengine.model import BaseModel, is_model_wrapper
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch._compile import _disable_dynamo

from mmada.models.objective_weights import ObjectiveWeights, Weights
from mmada.models.objectives import (
    WEIGHTED,
    ObjectiveSpec,
    check_loss_names,
    check_not_weighted,
    is_loss,
)


@MODELS.register_module()
class LossWeightWrapper(BaseModel):
    """Weights the objectives of any detector or segmentor.

    Building one builds the detector and returns it as an instance of
    `Weighted<Detector>`, a class of both. The weighting sits in
    :meth:`parse_losses`, the one step that plain and distributed training
    share. Checkpoints are those of the detector.

    Args:
        detector: The model, its config, or its type, with its options beside
            it: then `model.backbone` and others stay where the config of the
            bare detector has them. A type that has an option of the name of
            one of these needs its config.
        objectives: See :class:`ObjectiveWeights`.
        weights: Weights at the start, see :class:`ObjectiveWeights`.
        **options: What else a config has beside the detector's, such as the
            `data_preprocessor` that the Runner hands to every model: options
            of the detector where its own config lacks them.

    Attributes:
        objective_weights: The objectives and their weights.

    Raises:
        TypeError: If the detector is no model of MMEngine, or a subclass is
            built, of which nothing would be left.
        ValueError: If it is weighted already, or `objectives` or `weights`
            do not fit, or if `detector` is a type with an option that would
            be taken for one of these.
    """

    objective_weights: ObjectiveWeights

    def __new__(
        cls,
        detector: nn.Module | dict[str, Any] | str | type,
        objectives: ObjectiveSpec = 'auto',
        weights: Weights | None = None,
        **options: Any,
    ) -> LossWeightWrapper:
        """Build the detector and make it weighted."""
        if cls is not LossWeightWrapper:
            raise TypeError(
                '`model.type` should be LossWeightWrapper itself, which '
                'returns the detector. Found its subclass '
                f'{cls.__name__}: override methods in the detector.'
            )
        if not isinstance(detector, (nn.Module, Mapping)):
            _check_own_options(detector)
            options, detector = {}, dict(options, type=detector)
        options = {k: v for k, v in options.items() if v is not None}
        model = (
            detector
            if isinstance(detector, nn.Module)
            else MODELS.build({**options, **detector})
        )
        return weigh_losses(model, objectives, weights)

    # Else a graph is compiled for each weight. `torch.compiler.disable` does
    # the same, but imports the compiler at once, which takes a second.
    @_disable_dynamo
    def parse_losses(
        self, losses: dict[str, Any]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weight the losses and let the detector sum them.

        Args:
            losses: Loss name to a tensor or a list of tensors. As in
                MMEngine, names without 'loss' are only logged.

        Returns:
            The weighted sum, and the scalars to log: `loss` (that sum), each
            raw loss by its own name, each weighted one of an objective as
            `weighted.<name>`.
        """
        check_loss_names(losses)
        raw = reduce_losses(self, losses)
        weights = self.objective_weights.weights_of(raw)
        # The sum of a list costs one product, unless the detector makes
        # something else of lists.
        reduces = _own_class(self).parse_losses is not BaseModel.parse_losses
        terms = losses if reduces else {**losses, **raw}
        total, logged = super().parse_losses(
            {
                name: _scaled(value, weights.get(name, 1.0))
                for name, value in terms.items()
            }
        )
        weighted = OrderedDict(
            (f'{WEIGHTED}{name}', logged[name])
            for name in weights
            if name in logged  # the detector may log less
        )
        logged.update((name, raw[name]) for name in weights)
        return total, OrderedDict(**logged, **weighted)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # The class is made at run time, so another process cannot import it.
        made, arguments, *state = super().__reduce_ex__(max(protocol, 2))
        if made is not copyreg.__newobj__:  # type: ignore[attr-defined]
            return made, arguments, *state
        return _restore, (_own_class(self), *arguments[1:]), *state


def weigh_losses(
    model: nn.Module,
    objectives: ObjectiveSpec | None = None,
    weights: Weights | None = None,
) -> LossWeightWrapper:
    """Make a model weigh its losses, in place.

    Args:
        model: The model, may be inside a model wrapper.
        objectives: See :class:`ObjectiveWeights`; None for those of a model
            that is weighted already, and 'auto' for another.
        weights: Weights at the start.

    Returns:
        The model, outside of model wrappers.

    Raises:
        TypeError: If it is no model of MMEngine.
        ValueError: If it is weighted already, by other objectives.
    """
    inner = inner_model(model)
    if isinstance(inner, LossWeightWrapper):
        _check_same(inner.objective_weights.spec, objectives)
        return inner
    if not isinstance(inner, BaseModel):
        raise TypeError(
            '`model` should be a BaseModel of MMEngine, as all detectors and '
            f'segmentors are. Found {type(inner).__name__}.'
        )
    if hasattr(inner, 'objective_weights'):
        raise ValueError(
            '`model` should have no attribute `objective_weights`, which '
            'holds the weighting. Found one in '
            f'{type(inner).__name__}: rename it.'
        )
    state = ObjectiveWeights(
        'auto' if objectives is None else objectives, weights
    )
    kind: Any = type(inner)  # mypy takes a class for not hashable
    inner.__class__ = _weighted_class(kind)
    weighted = cast(LossWeightWrapper, inner)
    weighted.objective_weights = state
    return weighted


def inner_model(model: nn.Module) -> Any:
    """Return the model inside a model wrapper, such as DDP's."""
    return model.module if is_model_wrapper(model) else model


def reduce_losses(
    model: BaseModel, losses: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the raw losses as scalars, with their graph.

    Args:
        model: The model.
        losses: As it returns them.

    Returns:
        Loss name to scalar. What is only logged is left out, and so is a
        loss that is an empty list, as of a batch without positives, and one
        called 'loss', the name of the sum of all.

    Raises:
        ObjectiveError: If a loss has the name of a weighted one.
    """
    check_not_weighted(losses)
    _, scalars = BaseModel.parse_losses(
        model, {k: v for k, v in losses.items() if is_loss(k)}
    )
    del scalars['loss']
    return {k: v for k, v in scalars.items() if isinstance(v, Tensor)}


def _check_own_options(kind: Any) -> None:
    if isinstance(kind, str):
        with MODELS.switch_scope_and_registry(None) as registry:
            kind = registry.get(kind)
    if kind is None:
        return  # building it says so
    own = {'detector', 'objectives', 'weights'} & {
        *inspect.signature(kind).parameters
    }
    if own:
        raise ValueError(
            '`model.detector` should be a dict with all options of '
            f'{kind.__name__}, of which {", ".join(map(repr, sorted(own)))} '
            "has the name of the wrapper's. Found the type alone."
        )


def _scaled(loss: Any, weight: float) -> Any:
    if weight == 1:
        return loss
    if isinstance(loss, Tensor):
        return loss * weight
    return [value * weight for value in loss]


def _own_class(model: LossWeightWrapper) -> Any:
    """Return the detector's own class."""
    return type(model).__mro__[2]


@functools.cache
def _weighted_class(detector: Any) -> type[Any]:
    return types.new_class(
        f'Weighted{detector.__name__}',
        (LossWeightWrapper, detector),
        exec_body=lambda names: names.update(
            __module__=detector.__module__,
            __doc__=detector.__doc__,
            __new__=_empty,
            __init__=_initialize,
        ),
    )


def _empty(kind: Any, *args: Any, **kwargs: Any) -> LossWeightWrapper:
    """Make a model without a state, as copies of the detector's own do."""
    return BaseModel.__new__(kind)


def _initialize(model: Any, *args: Any, **kwargs: Any) -> None:
    """Build as the detector, where its own code makes one like itself."""
    if 'objective_weights' not in vars(model):  # else `__new__` has built it
        _own_class(model).__init__(model, *args, **kwargs)
        model.objective_weights = ObjectiveWeights()


def _restore(detector: Any, *args: Any) -> LossWeightWrapper:
    """Make an empty model, of which a copy or a pickle sets the state."""
    return _empty(_weighted_class(detector))


def _check_same(present: ObjectiveSpec, wanted: ObjectiveSpec | None) -> None:
    if wanted is not None and wanted != present:
        raise ValueError(
            '`objectives` should be set once, in the model or in what weighs '
            f'it. Found {present!r} and {wanted!r}.'
        )
