"""The first look at a model, and the controller that suits it."""

from __future__ import annotations

from typing import Any

from mmengine.registry import TASK_UTILS

from mmada.controllers import Controller
from mmada.engine.distributed import Share
from mmada.engine.loops.config_checks import check_optimization
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.engine.targets import Target
from mmada.utils.seeding import derive_seed, preserve_rng


def build_controller(
    config: dict[str, Any],
    target: Target,
    live: LiveReplica,
    loader: SegmentLoader,
    ranks_per_replica: int,
    num_rounds: int,
) -> Controller:
    """Looks at the model and builds what searches.

    All ranks look at the same batches, so that they see the same.

    Args:
        config: Of the controller.
        target: Meets the model.
        live: Before any training step.
        loader: Of the training data; knows the run's seed.
        ranks_per_replica: Ranks that train one replica together.
        num_rounds: T.
    """
    check_optimization(live, loader.num_iters)
    batches = loader.shared(Share(0, ranks_per_replica)).segment(0)
    with preserve_rng():
        target.meet(live, batches)
    return TASK_UTILS.build(
        config,
        default_args=dict(
            **target.controller_arguments,
            num_rounds=num_rounds,
            seed=derive_seed(loader.seed, 'controller'),
        ),
    )
