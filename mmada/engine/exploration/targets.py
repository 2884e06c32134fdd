"""What the numbers of a controller's action do to a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from mmada.controllers import Controller
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.segment import Meter


class Target(ABC):
    """Applies an action to the live model.

    Attributes:
        names: What each number of an action stands for.
        record_keys: What names and actions are called in the records of a
            run.
        controllers: What kind of controller gives such actions.
    """

    names: tuple[str, ...]
    record_keys: ClassVar[tuple[str, str]]
    controllers: ClassVar[type[Controller]]

    @abstractmethod
    def meet(self, live: LiveReplica, batches: Iterable[Any]) -> None:
        """Looks at model and optimizer, and sets `names`.

        Args:
            live: Before any training step.
            batches: Of training data, the same on all ranks.

        Raises:
            ValueError: If the model has nothing to apply an action to.
        """

    @property
    @abstractmethod
    def controller_arguments(self) -> dict[str, Any]:
        """What a controller's constructor has to know of the action."""

    @property
    @abstractmethod
    def neutral(self) -> Tensor:
        """The action that changes nothing, shape (action_size,)."""

    @abstractmethod
    def apply(self, action: Tensor) -> None:
        """Makes the model train with an action, shape (action_size,)."""

    @abstractmethod
    def meter(self) -> Meter:
        """Returns what sums up the losses of one segment."""

    @abstractmethod
    def save(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> None:
        """Writes what the search found into the work directory."""

    @abstractmethod
    def is_saved(
        self,
        work_dir: Path,
        controller: Controller,
        provenance: dict[str, Any],
    ) -> bool:
        """Tells whether `save` would write what is there already."""

    @abstractmethod
    def conclude(self, work_dir: Path, model: nn.Module) -> None:
        """Makes a model ready for what follows a finished search.

        Args:
            work_dir: Where `save` wrote.
            model: The runner's.
        """
