"""Tables, character by character."""

from __future__ import annotations

import math

from mmada.commands.demo import results
from mmada.commands.demo.results import ResultRow

ROWS = [
    ResultRow('ones', 48.26, 30.14, 60.0, 1, 'losses x8'),
    ResultRow('Ada|Segment', math.nan, 5.0, 100.0, 5.125),
]


def test_text() -> None:
    assert results.results_text(ROWS).splitlines() == [
        'method         PQ  things  stuff   cost  note',
        '--------------------------------------------------',
        'ones         48.3    30.1   60.0     1x  losses x8',
        'Ada|Segment     -     5.0  100.0  5.12x',
    ]


def test_markdown() -> None:
    assert results.results_markdown(ROWS).splitlines() == [
        '| method       |   PQ | things | stuff |  cost | note      |',
        '| ------------ | ---: | -----: | ----: | ----: | --------- |',
        '| ones         | 48.3 |   30.1 |  60.0 |    1x | losses x8 |',
        '| Ada\\|Segment |    - |    5.0 | 100.0 | 5.12x |           |',
    ]


def test_no_column_without_notes() -> None:
    rows = [row._replace(note='') for row in ROWS]
    assert results.results_text(rows).splitlines()[0].split()[-1] == 'cost'
    assert results.results_markdown(rows).splitlines()[0].endswith('|  cost |')
