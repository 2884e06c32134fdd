"""All that an exploration needs to go on after it was killed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor

from mmada.engine.live_replica import Snapshot


@dataclass
class ExplorationState:
    """State between two segments; the present round is `round + 1`.

    Attributes:
        start: Where each replica starts the present round.
        losses: Mean raw losses of the model in `start`, (n,); l^1 at first.
        reference: Metric of the model in `start`; None if not known.
        controller: State dict of the controller.
        round: Completed rounds.
        weights: Weights of the present round's replicas, (m, n); None until
            proposed.
        results: Of the present round's replicas so far: `metrics`, a dict,
            and `losses`, a list; both empty for one that diverged.
        best: Snapshot of the best of them.
        best_value: Its reward metric.
        best_weights: Weights of the last round's winner, (n,).
        failures: Rounds in succession that no replica survived.
        history: One JSON-able record a completed round.
        seconds: Time spent on segments.
        commits: Number of commits so far.
    """

    start: Snapshot
    losses: Tensor
    reference: float | None
    controller: dict[str, Any]
    round: int = 0
    weights: Tensor | None = None
    results: list[dict[str, Any]] = field(default_factory=list)
    best: Snapshot | None = None
    best_value: float | None = None
    best_weights: Tensor | None = None
    failures: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    commits: int = 0

    def to_payload(self) -> dict[str, Any]:
        """Returns the fields by name, not copied."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> ExplorationState:
        """Takes what :meth:`to_payload` gave."""
        return cls(**payload)
