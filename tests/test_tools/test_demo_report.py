"""Tables, character by character."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from mmada.commands.demo import results
from mmada.commands.demo.demo import seconds_left
from mmada.commands.demo.results import Model, ResultRow

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


def test_reading() -> None:
    rows = [
        ResultRow('ones', 40.0, 0, 0, 1),
        ResultRow('a', 42.04, 0, 0, 5.123),
        ResultRow('b', 39.5, 0, 0, 1),
    ]
    assert results.reading(rows, 'ones') == (
        'Against ones, in PQ: a 2.0 above at 5.12 times its cost; '
        'b 0.5 below at 1 times its cost.'
    )


def test_weights_of_the_trainings_that_have_some(tmp_path: Path) -> None:
    lines = [
        dict(
            epoch=epoch,
            objectives=['cls', 'seg'],
            weights=[weight, 2 - weight],
        )
        for epoch, weight in ((1, 0.5), (2, 1.0))
    ]
    (tmp_path / 'weights.jsonl').write_text(
        ''.join(json.dumps(line) + '\n' for line in lines)
    )
    models = [
        Model('ones', Path(), tmp_path / 'none' / 'x.pth', 1),
        Model('ours', Path(), tmp_path / 'x.pth', 1),
    ]
    assert results.weights_text(models).splitlines() == [
        'method   cls   seg',
        'ours    0.75  1.25',
    ]


@pytest.mark.parametrize(
    ('jobs', 'seconds'),
    [
        ([], 0),
        ([(4.0, None), (1.0, None)], 40),  # the longest decides
        ([(4.0, None), (4.0, None), (2.0, None)], 50),  # two at a time
        ([(4.0, 70.0), (1.0, None)], 10),  # begun 30 seconds ago
        ([(4.0, 10.0)], 0),  # longer than was thought
    ],
)
def test_time_left(
    jobs: list[tuple[float, float | None]], seconds: float
) -> None:
    assert seconds_left(jobs, pace=10.0, now=100.0) == seconds
