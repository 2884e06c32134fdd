"""What a resumed exploration must have in common with the stored one."""

from __future__ import annotations

from typing import Any

from mmada.engine.exploration.state import STATE_LAYOUT
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.engine.targets import Target


def identity_of(
    target: Target,
    loader: SegmentLoader,
    controller: Any,
    num_replicas: int,
    num_rounds: int,
    metric: str | dict[str, float],
    seed: int,
) -> dict[str, Any]:
    """Returns the identity of an exploration, JSON values.

    Args:
        target: Has met the model.
        loader: Of the training data.
        controller: Config of the controller.
        num_replicas: m.
        num_rounds: T.
        metric: Key of the reward metric, or the weights of a sum.
        seed: Of the search.
    """
    return dict(
        state_layout=STATE_LAYOUT,
        **{target.record_keys[0]: list(target.names)},
        num_replicas=num_replicas,
        num_rounds=num_rounds,
        iters_per_round=loader.num_iters,
        batch_size=loader.batch_size,
        controller=_plain(controller),
        reward_metric=metric,
        seed=seed,
    )


def _plain(config: Any) -> Any:
    """Turns a config into JSON values."""
    if isinstance(config, dict):
        return {str(k): _plain(v) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return [_plain(v) for v in config]
    return config
