"""Tables of text, for a log, a terminal or a page in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence


def aligned(
    rows: Sequence[Sequence[str]], numbers: Collection[int] | None = None
) -> list[list[str]]:
    """Pad the cells of each column to equal width.

    Args:
        rows: The cells, as many in each row.
        numbers: Columns that are flush right; None for all but the first.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = range(1, len(widths)) if numbers is None else numbers
    return [
        [
            cell.rjust(w) if i in right else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]


def markdown(
    rows: Sequence[Sequence[str]], numbers: Collection[int]
) -> Iterator[str]:
    """Yield the lines of a table in Markdown.

    Args:
        rows: The cells, those of the header first.
        numbers: Columns that are flush right.
    """
    header, *others = aligned(rows, numbers)
    rule = [
        '-' * (len(cell) - 1) + (':' if i in numbers else '-')
        for i, cell in enumerate(header)
    ]
    for cells in (header, rule, *others):
        yield f'| {" | ".join(cells)} |'
