"""Faults that were found, and how many of each kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mmada.diagnostics.data.faults import KINDS


class Fault(NamedTuple):
    """A fault that was found: its kind, and where."""

    kind: str
    where: str


class Tally:
    """Counts faults and keeps the first of each kind.

    Args:
        examples: How many to keep.
    """

    def __init__(self, examples: int = 3) -> None:
        self._examples = examples
        self.counts: dict[str, int] = {}
        self.examples: dict[str, list[str]] = {}

    def add(self, faults: Iterable[Fault]) -> None:
        """Count faults."""
        for kind, where in faults:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            kept = self.examples.setdefault(kind, [])
            if len(kept) < self._examples:
                kept.append(where)

    def of(self, severity: str) -> list[str]:
        """Return the kinds of a severity that were found."""
        return [k for k in self.counts if KINDS[k].severity == severity]
