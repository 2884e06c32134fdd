"""The tables of docs/detectors.md, from the cases of the suite.

To write them into the page: `python -m tests.test_families.page`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.test_families.family import Family
from tests.test_families.one_stage import ONE_STAGE
from tests.test_families.queries import QUERIES
from tests.test_families.segmentors import SEGMENTORS
from tests.test_families.two_stage import TWO_STAGE

PAGE = Path(__file__).resolve().parents[2] / 'docs/detectors.md'
FAMILIES = [*ONE_STAGE, *TWO_STAGE, *QUERIES, *SEGMENTORS]


def tables() -> dict[str, str]:
    """Returns the tables by the name that the page gives them."""
    return dict(families=_families(), objectives=_objectives())


def with_tables(page: str) -> str:
    """Returns a page with its tables written anew."""
    for name, table in tables().items():
        start, end = f'<!-- table: {name} -->\n\n', f'\n<!-- end: {name} -->'
        before, rest = page.split(start)
        _, after = rest.split(end)
        page = f'{before}{start}{table}{end}{after}'
    return page


def _families() -> str:
    rows = [
        (f.name, _code(f.mode), _code(f.metric.key), f.remark)
        for f in FAMILIES
    ]
    return _table(('family', 'head rule', 'reward', 'remarks'), rows)


def _objectives() -> str:
    rows = [row for family in FAMILIES for row in _rows(family)]
    return _table(('family', 'objective', 'pattern', 'losses'), rows)


def _rows(family: Family) -> Iterable[tuple[str, str, str, str]]:
    label = family.name
    for name, pattern in family.objectives.items():
        assert family.losses is not None and isinstance(pattern, str)
        losses = ', '.join(map(_code, family.losses[name]))
        yield label, _code(name), _code(pattern), losses
        label = ''
    if family.unweighted:
        yield '', 'none', '', ', '.join(map(_code, family.unweighted))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def _code(text: str) -> str:
    return f'`{text}`'


if __name__ == '__main__':
    PAGE.write_text(with_tables(PAGE.read_text()))
