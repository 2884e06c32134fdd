"""Rounds of a search without a training: made-up scores, real decisions.

What a round costs depends on the controller alone, which says which replicas
train, and on the number of groups that the ranks are divided into.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmada.controllers import Controller, Plan, Start
from mmada.engine.exploration.start_states import (
    START_STATES,
    TrainedReplicas,
)
from mmada.engine.exploration.state import ExplorationState


class Round(NamedTuple):
    """What a controller decided.

    Attributes:
        plan: What each replica does.
        scores: Made up, by replica that trains.
    """

    plan: Plan
    scores: dict[int, float]


class Played(NamedTuple):
    """What rounds take on so many groups of ranks.

    Attributes:
        waves: Of all rounds.
        sent: Bytes that each other rank gets from a winner.
        commits: Bytes of the snapshots in each commit, in order.
        memory: Bytes of the snapshots that a rank has in memory at a time.
    """

    waves: int
    sent: int
    commits: list[int]
    memory: int


def replay(
    controller: Controller, losses: Tensor, draws: int
) -> Iterator[list[Round]]:
    """Yield the rounds of a search, with other scores each time.

    Args:
        controller: New; it is left somewhere in the search.
        losses: Raw losses that it is given in each round.
        draws: How often.
    """
    begin = controller.state_dict()
    for draw in range(draws):
        controller.load_state_dict(begin)
        yield list(_rounds(controller, losses, random.Random(draw)))


def _rounds(
    controller: Controller, losses: Tensor, source: random.Random
) -> Iterator[Round]:
    reference = source.random()
    for _ in range(controller.num_rounds):
        if controller.finished:
            return
        controller.propose(losses)
        plan = controller.plan()
        scores = {k: source.random() for k in _trained(plan)}
        metrics = [scores.get(k, math.nan) for k in range(len(plan))]
        result = controller.observe(
            torch.tensor(metrics, dtype=torch.float64), reference
        )
        if controller.start is Start.BEST:
            reference = scores[result.best]
        yield Round(plan, scores)


def _trained(plan: Plan) -> list[int]:
    return [k for k, entry in enumerate(plan) if isinstance(entry, Start)]


def waves_of(plan: Plan, groups: int) -> list[list[int]]:
    """Return which replicas of a round train side by side.

    Args:
        plan: Of the round; replicas that rest are in no wave.
        groups: Groups of ranks, each of which trains one at a time.
    """
    trained = _trained(plan)
    return [trained[i : i + groups] for i in range(0, len(trained), groups)]


def play(
    rounds: Sequence[Round], start: Start, groups: int, new: int, trained: int
) -> Played:
    """Follow the snapshots through all waves.

    Args:
        rounds: Of a search.
        start: Which states it keeps.
        groups: Groups of ranks.
        new: Bytes of a snapshot before any step.
        trained: Bytes of one after a step, with the optimizer's state.
    """
    kinds, sender = START_STATES[start], _Sender()
    state = ExplorationState(dict(size=new), torch.empty(0), None, {})
    waves, commits, memory = 0, [_committed(state)], new
    for played in rounds:
        state.actions = torch.empty(len(played.plan), 0)
        kinds.open(state, played.plan)
        for wave in waves_of(played.plan, groups):
            # One is read where a replica starts, others come at the end.
            starts = [kinds.origin(state, k).snapshot for k in wave]
            for replica in wave:
                state.results[replica] = dict(value=played.scores[replica])
            sources, sent = dict.fromkeys(wave, 0), sender.sent
            live: Any = _Live(trained)
            kinds.keep(state, TrainedReplicas(live, {}), sources, sender)  # type: ignore[arg-type]
            memory = max(memory, sender.sent - sent, *map(_size, starts))
            waves += 1
            commits.append(_committed(state))
        kinds.advance(state, state.best_value)
        state.clear_round()
        state.round += 1
        commits.append(_committed(state))
    return Played(waves, sender.sent, commits, memory)


class _Live(NamedTuple):
    """Stands for a replica that has been trained."""

    size: int

    def capture(self, device: str) -> dict[str, Any]:
        return dict(size=self.size)


class _Sender:
    """Stands for the channel between ranks; counts what it sends."""

    rank = 0
    size = 1
    sent = 0

    def broadcast(self, value: dict[str, Any], source: int) -> dict[str, Any]:
        self.sent += value['size']
        return value


def _committed(state: ExplorationState) -> int:
    return sum(map(_size, state.parts().values()))


def _size(snapshot: Any) -> int:
    return int(snapshot['size'])
