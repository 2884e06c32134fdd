"""The page quotes what the code says, and what it says alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.test_docs.pages import DOCS, REPO, headings

PAGE = DOCS / 'troubleshooting.md'
GAP = '…'
# A symptom that raises nothing.
SYMPTOMS = {'PQ is near zero, or the same for all replicas'}


def messages() -> Iterator[str]:
    """Yields the texts of the package, with a gap for each value."""
    for path in sorted((REPO / 'mmada').rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield ''.join(map(_part, node.values))
            elif isinstance(node, ast.Constant) and isinstance(
                node.value, str
            ):
                yield node.value


def _part(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else GAP


def _plain(text: str) -> str:
    return ' '.join(text.replace('`', '').split())


@pytest.fixture(scope='module')
def said() -> list[str]:
    return [_plain(text) for text in messages()]


@pytest.mark.parametrize(
    'heading', [h for h in headings(PAGE, 3) if h not in SYMPTOMS]
)
def test_a_message_of_the_page_is_one_of_the_code(heading, said):
    wanted = _plain(heading).rstrip(f'.:{GAP} ')
    assert any(wanted in text for text in said)


def test_a_message_that_nobody_says_is_found(said):
    assert not any('the replica has gone fishing' in text for text in said)
    assert headings(PAGE, 3)
