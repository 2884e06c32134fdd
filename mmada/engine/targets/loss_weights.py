"""Actions that are the weights of a detector's objectives."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import TASK_UTILS
from torch import Tensor, nn

from mmada.controllers import (
    Controller,
    PolicyEnsemble,
    WeightController,
)
from mmada.engine.exploration.targets import Target
from mmada.engine.probe import probe_objectives, unwrap
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.models import ObjectiveMeter
from mmada.policies.policy_file import DEFAULT_FILE, holds_policy, save_policy


@TASK_UTILS.register_module()
class LossWeights(Target):
    """One weight for each objective of a LossWeightWrapper."""

    record_keys = ('objectives', 'weights')
    controllers = WeightController

    def meet(self, live: LiveReplica, batches: Iterable[Any]) -> None:
        """Binds the objectives and finds out who owns which parameter."""
        probe_objectives(live.model, live.optim_wrapper, batches)
        self._model = unwrap(live.model)
        self.names = self._model.objectives.names

    @property
    def controller_arguments(self) -> dict[str, Any]:
        """The number of objectives."""
        return dict(num_objectives=len(self.names))

    @property
    def neutral(self) -> Tensor:
        """All weights 1."""
        return torch.ones(len(self.names))

    def apply(self, action: Tensor) -> None:
        """Sets the weights."""
        self._model.set_weights(action)

    def meter(self) -> ObjectiveMeter:
        """Averages the raw losses."""
        return ObjectiveMeter(self._model.objectives)

    def save(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> None:
        """Writes the policy file."""
        ensemble = self._ensemble(controller)
        save_policy(work_dir / DEFAULT_FILE, ensemble, provenance)

    def is_saved(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> bool:
        """Tells whether the policy file is there."""
        ensemble = self._ensemble(controller)
        return holds_policy(work_dir / DEFAULT_FILE, ensemble, provenance)

    def conclude(self, work_dir: Path, model: nn.Module) -> None:
        """Puts the weights back; a hook of the training sets its own."""
        unwrap(model).reset_weights()

    def _ensemble(self, controller: Controller) -> PolicyEnsemble:
        assert isinstance(controller, WeightController)
        return controller.ensemble().named(self.names)
