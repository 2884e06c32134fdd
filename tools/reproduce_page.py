"""The numbers that were reached, tables in Markdown, their place on a page."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import yaml

BEGIN = '<!-- begin: python tools/dev/reproduce_table.py --write -->'
END = '<!-- end -->'


def quality(values: Sequence[float]) -> str:
    """Returns PQ, that of things and of stuff in a cell, or an empty one."""
    return ' / '.join(f'{value:.1f}' for value in values)


def markdown(
    rows: Sequence[Sequence[str]], numbers: Collection[int]
) -> Iterator[str]:
    """Yields the lines of a table, its cells in columns of equal width.

    Args:
        rows: The cells, those of the header first.
        numbers: Columns that are set to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = [
        '-' * (w - 1) + (':' if i in numbers else '-')
        for i, w in enumerate(widths)
    ]
    for row in [rows[0], rule, *rows[1:]]:
        cells = [
            cell.rjust(w) if i in numbers else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        yield f'| {" | ".join(cells)} |'


def insert(page: str, lines: str) -> str:
    """Returns a page with the lines between its two marks.

    Raises:
        ValueError: If the page has not both.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f'the page should have {BEGIN!r} and {END!r}')
    return f'{before}{BEGIN}\n\n{lines}\n{END}{after}'


def read_results(path: Path) -> dict[str, Sequence[float]]:
    """Returns what the runs reached.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it holds no results.
    """
    try:
        found = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not YAML: {error}') from None
    if not isinstance(found, dict) or not all(
        isinstance(values, list) for values in found.values()
    ):
        raise ValueError(
            f'{path} should have names of runs with a list of numbers each'
        )
    return found
