"""What a run's other features need, looked at before anything is trained."""

from __future__ import annotations

from typing import Any

from mmada.engine.features.compilation import refuse_full_graph
from mmada.engine.training_features import allow_single_gradients


def prepare_features(runner: Any) -> None:
    """Refuses what cannot work, and adapts what MMEngine has set up.

    Args:
        runner: About to train or to explore.

    Raises:
        ValueError: If an option of its config cannot work.
    """
    refuse_full_graph(runner)
    allow_single_gradients(runner)
