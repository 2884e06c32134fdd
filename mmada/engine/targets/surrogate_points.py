"""Actions that are the control points of a searched loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import TASK_UTILS
from torch import Tensor, nn

from mmada.controllers import ActionController, Controller
from mmada.engine.exploration.targets import Target
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.models import AutoSegLoss
from mmada.surrogates import (
    SurrogateShape,
    decode,
    identity_action,
    load_curve,
    save_curve,
)

CURVE_FILE = 'curve.json'


class NoMeter:
    """Stands where a search does not look at losses."""

    def update(self, log_vars: Mapping[str, Tensor]) -> None:
        """Ignores the scalars."""

    def mean(self) -> Tensor:
        """Returns an empty vector."""
        return torch.empty(0)


@TASK_UTILS.register_module()
class SurrogatePoints(Target):
    """The control points that all AutoSegLoss of a model share."""

    record_keys = ('parameters', 'actions')
    controllers = ActionController

    def meet(self, live: LiveReplica, batches: Iterable[Any]) -> None:
        """Finds the losses, which have to be of one metric.

        Raises:
            ValueError: If there is none, or they differ.
        """
        self._losses = _losses_of(live.module)
        shapes = {loss.surrogate.shape for loss in self._losses}
        if len(shapes) != 1:
            found = sorted(shape.metric for shape in shapes)
            raise ValueError(
                '`target` is SurrogatePoints; expected a model with losses '
                f'of type AutoSegLoss for one metric, found {found or "none"}.'
            )
        (self._shape,) = shapes
        self.names = _names(self._shape)

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
        """Sets the curves of all the losses."""
        _set_points(self._losses, decode(action, self._shape))

    def meter(self) -> NoMeter:
        """Returns one that sees nothing."""
        return NoMeter()

    def save(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> None:
        """Writes the curve file."""
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
        """Tells whether the curve file is there."""
        try:
            stored = load_curve(work_dir / CURVE_FILE)
        except (OSError, ValueError):
            return False
        points = tuple(self._found(controller).flatten().tolist())
        return (stored.points, stored.provenance) == (points, provenance)

    def conclude(self, work_dir: Path, model: nn.Module) -> None:
        """Sets the curves that were found."""
        stored = load_curve(work_dir / CURVE_FILE)
        _set_points(_losses_of(model), list(stored.points))

    def _found(self, controller: Controller) -> Tensor:
        assert isinstance(controller, ActionController)
        return decode(controller.found_action, self._shape)


def _losses_of(model: nn.Module) -> list[AutoSegLoss]:
    return [m for m in model.modules() if isinstance(m, AutoSegLoss)]


def _set_points(
    losses: Iterable[AutoSegLoss], points: Tensor | list[float]
) -> None:
    for loss in losses:
        loss.set_shape(points)


def _names(shape: SurrogateShape) -> tuple[str, ...]:
    """Names an action's numbers, such as 'h2.x1'."""
    return tuple(
        f'h{curve}.{axis}{point}'
        for curve in range(1, shape.curves + 1)
        for point in range(1, shape.points + 1)
        for axis in 'xy'
    )
