"""Hyperband: which candidates train on, and which are stopped.

A candidate's age is the number of rounds it has trained. Brackets of
successive halving (arXiv 1603.06560) differ in how early they stop: at each
rung of its ladder a bracket keeps a part of its candidates.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from mmada.controllers.base import Plan, Rest, Start


def ladder(whole: int, factor: int) -> list[int]:
    """Return the ages at which candidates are compared, the last `whole`.

    Args:
        whole: Rounds of a whole training.
        factor: Reduction factor eta; the ages are ``whole / eta^j``, rounded
            down.
    """
    ages = [whole]
    divisor = factor
    while whole // divisor:
        ages.append(whole // divisor)
        divisor *= factor
    return ages[::-1]


@dataclass
class Candidate:
    """One training.

    Attributes:
        number: Of the search, from 0.
        bracket: Number of its bracket, from 0.
        slot: The replica that plays it.
        point: What is tried.
        values: Its metric at each age; None where it diverged.
        open: Whether it may train on.
        modelled: Whether a model proposed its point; None if that is not
            known, as from an earlier version.
    """

    number: int
    bracket: int
    slot: int
    point: list[float]
    values: list[float | None] = field(default_factory=list)
    open: bool = True
    modelled: bool | None = None

    @property
    def age(self) -> int:
        """Rounds trained."""
        return len(self.values)

    @property
    def diverged(self) -> bool:
        """Whether its last metric was not finite."""
        return bool(self.values) and self.values[-1] is None


@dataclass
class Bracket:
    """Candidates that are compared with each other.

    Attributes:
        rungs: Ages at which they are.
        size: How many start.
        level: Rungs passed.
    """

    rungs: list[int]
    size: int
    level: int = 0


class Hyperband:
    """Plays brackets one after the other on m slots.

    A candidate keeps its slot until it is stopped or whole, and pauses there
    while it waits for the others of its bracket; a slot that gets free takes
    the next candidate at once, of the next bracket if need be. So that none
    waits for ever, no bracket has more candidates than there are slots.

    Args:
        num_slots: Number m of slots.
        whole: Rounds of a whole training.
        factor: Reduction factor eta.
    """

    def __init__(self, num_slots: int, whole: int, factor: int) -> None:
        self.num_slots = num_slots
        self.factor = factor
        self.ages = ladder(whole, factor)
        self.candidates: list[Candidate] = []
        self.brackets: list[Bracket] = []

    @property
    def occupants(self) -> dict[int, Candidate]:
        """The open candidates by slot."""
        return {c.slot: c for c in self.candidates if c.open}

    @property
    def free(self) -> list[int]:
        """The slots that may take a new candidate."""
        return [k for k in range(self.num_slots) if k not in self.occupants]

    def start(
        self, slot: int, point: list[float], modelled: bool | None = None
    ) -> None:
        """Put the next candidate into a free slot."""
        if not self.brackets or self._missing(len(self.brackets) - 1) == 0:
            self.brackets.append(self._next_bracket())
        if any(c.modelled is None for c in self.candidates):
            modelled = None  # as in the states of the version that began it
        number, bracket = len(self.candidates), len(self.brackets) - 1
        self.candidates.append(
            Candidate(number, bracket, slot, point, modelled=modelled)
        )

    def _next_bracket(self) -> Bracket:
        """Hyperband's order: the one that stops earliest comes first."""
        levels = len(self.ages)
        halvings = levels - 1 - len(self.brackets) % levels
        count = levels * self.factor**halvings
        size = -(-count // (halvings + 1))
        rungs = self.ages[levels - 1 - halvings :]
        return Bracket(rungs, min(size, self.num_slots))

    def _missing(self, index: int) -> int:
        """Candidates that a bracket still waits for."""
        started = sum(c.bracket == index for c in self.candidates)
        return self.brackets[index].size - started

    def plan(self) -> Plan:
        """Return what each slot does in the next round."""
        occupants = self.occupants
        return tuple(
            self._turn(occupants[k]) if k in occupants else Rest.EMPTY
            for k in range(self.num_slots)
        )

    def _turn(self, candidate: Candidate) -> Start | Rest:
        bracket = self.brackets[candidate.bracket]
        if candidate.age == bracket.rungs[bracket.level]:
            return Rest.PAUSED
        return Start.OWN if candidate.age else Start.INITIAL

    def note(self, metrics: dict[int, float | None]) -> None:
        """Take the metrics of a round; candidates that diverged are stopped.

        Args:
            metrics: By slot that trained; None if it is not finite.
        """
        occupants = self.occupants
        for slot, metric in metrics.items():
            occupants[slot].values.append(metric)
            occupants[slot].open = metric is not None

    def compare(self, last: bool) -> None:
        """Stop the poor candidates of each bracket that came to a rung.

        Args:
            last: Whether no further candidate will start, so that brackets
                stay as small as they are.
        """
        for index, bracket in enumerate(self.brackets):
            if last:
                bracket.size -= self._missing(index)
            if self._missing(index) == 0:
                self._climb(index, bracket)

    def _climb(self, index: int, bracket: Bracket) -> None:
        left = [c for c in self.candidates if c.bracket == index and c.open]
        if not left or any(c.age < bracket.rungs[bracket.level] for c in left):
            return
        bracket.level += 1
        keep = max(1, bracket.size // self.factor**bracket.level)
        if bracket.level == len(bracket.rungs):
            keep = 0  # they are whole
        left.sort(key=lambda c: (-(c.values[-1] or 0.0), c.number))
        for candidate in left[keep:]:
            candidate.open = False

    @property
    def best(self) -> Candidate | None:
        """The best one at the largest age that was reached.

        One that diverged later counts only if all did.
        """
        scored = [
            (not c.diverged, len(valid), valid[-1], -c.number)
            for c in self.candidates
            if (valid := [v for v in c.values if v is not None])
        ]
        return self.candidates[-max(scored)[3]] if scored else None

    def state_dict(self) -> dict[str, Any]:
        """Return what is known, in plain values."""
        return dict(
            candidates=[_plain(c) for c in self.candidates],
            brackets=[asdict(b) for b in self.brackets],
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        self.candidates = [Candidate(**c) for c in state['candidates']]
        self.brackets = [Bracket(**b) for b in state['brackets']]


def _plain(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate's fields, but for what is not known."""
    return {k: v for k, v in asdict(candidate).items() if v is not None}
