"""Searches that may hear more, to be judged on the tuning scenes.

Each is one change of a search of the comparison, at its cost or less. They are
run if named.
"""

from __future__ import annotations

from equal_terms import EQUAL, EQUAL_ROWS, EQUAL_SEARCHES, FROM_ONES
from method import Method, Options, Search

TOLD = 'rounds_per_training'
_STABLE: Options = dict(type='AdaSegment')
_FULL = (f'SlopeSearch{EQUAL}', FROM_ONES)


def _ended_early(name: str, length: float) -> Search:
    return EQUAL_SEARCHES[name]._replace(length=length, told=TOLD)


# The trainings of a search stop where their order is known.
_SHORT = {
    f'{name}, {words}': (name, _ended_early(name, length))
    for name in _FULL
    for words, length in (('first half', 0.5), ('first two thirds', 2 / 3))
}
# What makes a round of Ada-Segment tell more, or a mistake cost less.
_ROUNDS = {
    'Ada-Segment, rounds of 2 epochs': Search(
        _STABLE, grouped=True, epochs_per_round=2
    ),
    'Ada-Segment, rounds of 3 epochs': Search(
        _STABLE, grouped=True, epochs_per_round=3
    ),
    'Ada-Segment, sigma 0.4': Search(dict(_STABLE, sigma=0.4), grouped=True),
    'Ada-Segment from ones': Search(dict(_STABLE, start=0.0), grouped=True),
}

CANDIDATE_SEARCHES: dict[str, Search] = {
    name: search for name, (_, search) in _SHORT.items()
} | _ROUNDS

_ROW_OF = {row.name: row for row in EQUAL_ROWS}
CANDIDATE_ROWS = [
    *(
        _ROW_OF[full]._replace(name=name, search=name)
        for name, (full, _) in _SHORT.items()
    ),
    *(
        Method(
            name,
            'Ada-Segment',
            dict(type='PolicyWeightingHook', mode='comb', fallback='policy'),
            name,
        )
        for name in _ROUNDS
    ),
]
