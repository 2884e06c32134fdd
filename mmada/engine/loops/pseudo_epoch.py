"""The losses that a search begins with."""

from __future__ import annotations

from typing import Any

import torch

from mmada.engine.distributed import Channel, ReplicaGroups
from mmada.engine.exploration.replica_runner import Outcome, ReplicaRunner
from mmada.engine.exploration.reporter import ExplorationReporter
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.replicas.agreement import ReplicaError, check_equal


def first_state(
    runner: ReplicaRunner,
    groups: ReplicaGroups,
    channel: Channel,
    reporter: ExplorationReporter,
    controller: dict[str, Any],
) -> ExplorationState:
    """Finds l^1 in a pseudo epoch, whose model is then discarded.

    Args:
        runner: With the live model at its start.
        groups: The first one plays.
        channel: Between all ranks.
        reporter: Tells a person.
        controller: State dict of the controller.

    Raises:
        ReplicaError: If it failed.
        RuntimeError: If it diverged.
    """
    start = runner.live.capture()
    check_equal(channel, start)
    reporter.begin()
    own = Outcome()
    if groups.index == 0:
        neutral = runner.target.neutral
        own = runner.run(start, neutral, 0, 0, reporter.pseudo_iteration)
    outcomes = channel.gather(own, lambda rank: 'the pseudo epoch')
    outcome = outcomes[groups.leaders[0]]
    if outcome.error:
        raise ReplicaError(f'The pseudo epoch failed.\n{outcome.error}')
    if not outcome.metrics:
        raise RuntimeError(
            'The pseudo epoch diverged with the neutral action: the loss '
            'or a parameter is not finite. Lower the learning rate.'
        )
    return ExplorationState(
        start=start,
        losses=torch.tensor(outcome.losses, dtype=torch.float64),
        reference=outcome.value,
        controller=controller,
    )
