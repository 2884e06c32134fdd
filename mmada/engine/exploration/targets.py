"""What the numbers of a controller's action do to a model.

:class:`LossWeights`: they are the weights of a detector's objectives.
:class:`SurrogatePoints`: they are the control points of a searched loss.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from mmengine.logging import print_log
from mmengine.registry import TASK_UTILS
from torch import Tensor, nn

from mmada.controllers import (
    ActionController,
    Controller,
    PolicyEnsemble,
    WeightController,
)
from mmada.engine.hooks.policy_weighting_hook import PolicyWeightingHook
from mmada.engine.probe import OwnerUpdates, probe_objectives
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.segment import SegmentEvents
from mmada.models import (
    AutoSegLoss,
    LossWeightWrapper,
    ObjectiveMeter,
    inner_model,
    weigh_losses,
)
from mmada.models.meters import Meter
from mmada.models.objectives import ObjectiveSpec
from mmada.policies.policy_file import holds_policy, load_policy, save_policy
from mmada.surrogates import (
    SurrogateShape,
    decode,
    identity_action,
    identity_points,
    load_curve,
    save_curve,
)
from mmada.utils.run_files import CURVE_FILE, POLICY_FILE


class Target(ABC):
    """Applies an action to the live model.

    Attributes:
        names: What each number of an action stands for.
        record_keys: What names and actions are called in the records of a
            run.
        controllers: What kind of controller gives such actions.
        file: What `save` writes into the work directory, for the log.
    """

    file: ClassVar[str] = ''
    names: tuple[str, ...]
    record_keys: ClassVar[tuple[str, str]]
    controllers: ClassVar[type[Controller]]

    @abstractmethod
    def bind(self, live: LiveReplica, batches: Iterable[Any]) -> None:
        """Find what actions are applied to, and set `names`.

        Args:
            live: Before any training step.
            batches: Of training data, the same on all ranks.

        Raises:
            ValueError: If the model has nothing to apply an action to.
        """

    def check_training(self, runner: Any) -> None:  # noqa: B027
        """Check that a training after the search will use what is found.

        Nothing by default.

        Args:
            runner: Its hooks are registered.

        Raises:
            ValueError: If it would not.
        """

    @property
    @abstractmethod
    def controller_arguments(self) -> dict[str, Any]:
        """Arguments of a controller's constructor about the action."""

    @property
    def identity(self) -> dict[str, Any]:
        """What a resumed search must have in common besides the names."""
        return {}

    @property
    @abstractmethod
    def neutral(self) -> Tensor:
        """The action that changes nothing, shape (action_size,)."""

    @abstractmethod
    def apply(self, action: Tensor) -> None:
        """Make the model train with an action, shape (action_size,)."""

    def events(
        self, course: SegmentEvents, batches: Callable[[], Iterable[Any]]
    ) -> SegmentEvents:
        """Return what happens in a segment of a replica.

        Args:
            course: What happens whatever the target.
            batches: Returns batches of training data.
        """
        return course

    @abstractmethod
    def meter(self) -> Meter:
        """Return a new meter for the losses of one segment."""

    @abstractmethod
    def save(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> None:
        """Write what the search found into the work directory."""

    @abstractmethod
    def is_saved(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> bool:
        """Return whether `save` would write what is there already."""

    def stored_provenance(self, work_dir: Path) -> Mapping[str, Any]:
        """Return the provenance that `save` wrote; empty if it keeps none."""
        return {}

    @abstractmethod
    def finish(self, work_dir: Path, model: nn.Module) -> None:
        """Prepare a model for the training after a finished search.

        Args:
            work_dir: Where `save` wrote.
            model: The runner's.
        """


@TASK_UTILS.register_module()
class LossWeights(Target):
    """One weight for each objective of the model.

    Args:
        objectives: Which losses belong together, as in LossWeightWrapper;
            None for those of a model that has some, and 'auto' for another.
    """

    record_keys = ('objectives', 'weights')
    controllers = WeightController
    file = POLICY_FILE

    def __init__(self, objectives: ObjectiveSpec | None = None) -> None:
        self._spec = objectives

    def bind(self, live: LiveReplica, batches: Iterable[Any]) -> None:
        """Bind the objectives and find which of them reach each parameter."""
        model = weigh_losses(live.model, self._spec)
        probe_objectives(live.model, live.optim_wrapper, batches)
        self._weights = model.objective_weights
        self.names = self._weights.objectives.names
        self._owners = OwnerUpdates(live.model, live.optim_wrapper)

    def check_training(self, runner: Any) -> None:
        """Check that a hook uses the policy that the search writes."""
        self._check_objectives(runner)
        written = (Path(runner.work_dir) / POLICY_FILE).resolve()
        hooks = [h for h in runner.hooks if isinstance(h, PolicyWeightingHook)]
        found = [str(hook.policy_path(runner)) for hook in hooks]
        if any(Path(path).resolve() == written for path in found):
            return
        raise ValueError(
            '`custom_hooks` should hold a PolicyWeightingHook without '
            '`policy`: without one the training after the search would not '
            'use what the search has found. Found '
            f'{f"`policy` {found[0]!r}" if found else "none"}. Add '
            "`dict(type='PolicyWeightingHook', mode='pred')`, or search "
            "alone, with `train_cfg.type='ParallelExplorationLoop'`."
        )

    def _check_objectives(self, runner: Any) -> None:
        """Check that no hook weighs by others than those of the search."""
        model = inner_model(runner.model)
        searched = 'auto' if self._spec is None else self._spec
        if isinstance(model, LossWeightWrapper):
            searched = model.objective_weights.spec
        for hook in runner.hooks:
            if not isinstance(hook, PolicyWeightingHook):
                continue
            if hook.own_objectives not in (None, searched):
                raise ValueError(
                    '`objectives` of PolicyWeightingHook should be left out '
                    f'or be those of the search, {searched!r}. Found '
                    f'{hook.own_objectives!r}. The search has those of '
                    '`model`, or of its `target`.'
                )

    @property
    def controller_arguments(self) -> dict[str, Any]:
        """The number of objectives."""
        return dict(num_objectives=len(self.names))

    @property
    def identity(self) -> dict[str, Any]:
        """The losses of each objective."""
        return dict(patterns=self._weights.objectives.patterns)

    @property
    def neutral(self) -> Tensor:
        """All weights 1."""
        return torch.ones(len(self.names))

    def apply(self, action: Tensor) -> None:
        """Set the weights."""
        self._weights.set(action)

    def events(
        self, course: SegmentEvents, batches: Callable[[], Iterable[Any]]
    ) -> SegmentEvents:
        """Find the owners of what hooks make trainable, or losses reach."""
        return _FindingOwners(course, self._owners, batches)

    def meter(self) -> ObjectiveMeter:
        """Average the raw losses."""
        return ObjectiveMeter(self._weights.objectives)

    def save(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> None:
        """Write the policy file."""
        ensemble = self._ensemble(controller)
        save_policy(work_dir / POLICY_FILE, ensemble, provenance)

    def is_saved(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> bool:
        """Return whether the policy file is there."""
        ensemble = self._ensemble(controller)
        return holds_policy(work_dir / POLICY_FILE, ensemble, provenance)

    def stored_provenance(self, work_dir: Path) -> Mapping[str, Any]:
        """Return that of the policy file."""
        return load_policy(work_dir / POLICY_FILE).provenance

    def finish(self, work_dir: Path, model: nn.Module) -> None:
        """Put the weights back; a hook of the training sets its own."""
        weights = weigh_losses(model, self._spec).objective_weights
        if weights.bound is not None:  # 'auto' is not yet, after a resume
            weights.reset()

    def _ensemble(self, controller: Controller) -> PolicyEnsemble:
        assert isinstance(controller, WeightController)
        return controller.ensemble().named(self.names)


class _FindingOwners(SegmentEvents):
    """A segment in which owners are found again where they change.

    Args:
        course: Calls the hooks.
        owners: Of the live model, just restored.
        batches: Returns batches of training data.
    """

    def __init__(
        self,
        course: SegmentEvents,
        owners: OwnerUpdates,
        batches: Callable[[], Iterable[Any]],
    ) -> None:
        self._course = course
        self._owners = owners
        self._batches = batches
        owners.begin()

    def before_batches(self, iteration: int) -> None:
        self._course.before_batches(iteration)

    def before_iteration(self, iteration: int, batch: Any) -> None:
        self._course.before_iteration(iteration, batch)
        self._owners.update(self._batches)

    def after_iteration(
        self, iteration: int, batch: Any, outputs: dict[str, Any]
    ) -> None:
        self._owners.note(outputs)
        self._course.after_iteration(iteration, batch, outputs)


@TASK_UTILS.register_module()
class SurrogatePoints(Target):
    """The control points that all AutoSegLoss of a model share."""

    record_keys = ('parameters', 'actions')
    controllers = ActionController
    file = CURVE_FILE

    def bind(self, live: LiveReplica, batches: Iterable[Any]) -> None:
        """Find the losses, which have to be of one metric.

        Raises:
            ValueError: If there is none, or they differ.
        """
        self._losses = _losses_of(live.module)
        shapes = {loss.surrogate.shape for loss in self._losses}
        if len(shapes) != 1:
            found = sorted(shape.metric for shape in shapes)
            raise ValueError(
                '`model` should have losses of type AutoSegLoss for one '
                'metric, since `target.type` is SurrogatePoints. '
                f'Found {found or "none"}.'
            )
        (self._shape,) = shapes
        self.names = _names(self._shape)
        begins = identity_points(self._shape).double()
        if not all(torch.equal(loss.shape, begins) for loss in self._losses):
            print_log(
                '`theta` of AutoSegLoss plays no part in this search, which '
                'begins at the identity.',
                logger='current',
                level=logging.WARNING,
            )

    @property
    def controller_arguments(self) -> dict[str, Any]:
        """The number of parameters and where the search starts."""
        return dict(
            action_size=self._shape.num_parameters,
            initial=self.neutral.tolist(),
        )

    @property
    def neutral(self) -> Tensor:
        """The action of the identity curves."""
        return identity_action(self._shape)

    def apply(self, action: Tensor) -> None:
        """Set the curves of all the losses."""
        _set_points(self._losses, decode(action, self._shape))

    def meter(self) -> NoMeter:
        """Return a meter that ignores the losses."""
        return NoMeter()

    def save(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> None:
        """Write the curve file."""
        save_curve(
            work_dir / CURVE_FILE,
            self._shape.metric,
            self._found(controller),
            provenance,
        )

    def is_saved(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> bool:
        """Return whether the curve file is there."""
        try:
            stored = load_curve(work_dir / CURVE_FILE)
        except (OSError, ValueError):
            return False
        points = tuple(self._found(controller).flatten().tolist())
        return (stored.points, stored.provenance) == (points, provenance)

    def stored_provenance(self, work_dir: Path) -> Mapping[str, Any]:
        """Return that of the curve file."""
        return load_curve(work_dir / CURVE_FILE).provenance

    def finish(self, work_dir: Path, model: nn.Module) -> None:
        """Set the curves that were found."""
        stored = load_curve(work_dir / CURVE_FILE)
        _set_points(_losses_of(model), list(stored.points))

    def _found(self, controller: Controller) -> Tensor:
        assert isinstance(controller, ActionController)
        return decode(controller.found_action, self._shape)


class NoMeter:
    """Stands in where a search does not use losses."""

    def update(self, log_vars: Mapping[str, Tensor]) -> None:
        """Ignore the scalars."""

    def mean(self) -> Tensor:
        """Return an empty vector."""
        return torch.empty(0)


def build_target(config: dict[str, Any] | None) -> Target:
    """Build a target; None is the weights of the objectives."""
    target: Target = TASK_UTILS.build(config or dict(type='LossWeights'))
    return target


def _losses_of(model: nn.Module) -> list[AutoSegLoss]:
    return [m for m in model.modules() if isinstance(m, AutoSegLoss)]


def _set_points(
    losses: Iterable[AutoSegLoss], points: Tensor | list[float]
) -> None:
    for loss in losses:
        loss.set_shape(points)


def _names(shape: SurrogateShape) -> tuple[str, ...]:
    """Return a name for each number of an action, such as 'h2.x1'."""
    return tuple(
        f'h{curve}.{axis}{point}'
        for curve in range(1, shape.curves + 1)
        for point in range(1, shape.points + 1)
        for axis in 'xy'
    )
