"""Tables of text."""

from __future__ import annotations

from mmada.utils.tables import aligned, markdown

ROWS = [['name', 'PQ', 'note'], ['a', '55.1', 'b']]


def test_numbers_are_flush_right() -> None:
    assert aligned(ROWS) == [
        ['name', '  PQ', 'note'],
        ['a   ', '55.1', '   b'],
    ]
    assert aligned(ROWS, (0, 1))[1] == ['   a', '55.1', 'b   ']
    assert aligned([]) == []


def test_markdown() -> None:
    assert list(markdown(ROWS, (1,))) == [
        '| name |   PQ | note |',
        '| ---- | ---: | ---- |',
        '| a    | 55.1 | b    |',
    ]
