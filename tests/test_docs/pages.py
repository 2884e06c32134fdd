"""Reading the documentation: its pages, code blocks and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

REPO = Path(__file__).resolve().parents[2]
DOCS = REPO / 'docs'
PAGES = sorted([REPO / 'README.md', *DOCS.rglob('*.md')])
_MARK = re.compile(r'<!--\s*(needs|test|shown):\s*(.+?)\s*-->')


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        page: The file it is in.
        line: Where in the file, from 1.
        language: Of a fenced block; '' for an indented one.
        text: The code.
        mark: Kind and text of the comment right before it; None without.
    """

    page: Path
    line: int
    language: str
    text: str
    mark: tuple[str, str] | None

    def __str__(self) -> str:
        return f'{self.page.relative_to(REPO)}:{self.line}'


def read_blocks(page: Path) -> list[Block]:
    """Returns the code blocks of a page, but not directives of Sphinx."""
    blocks = []
    mark = None
    for token in MarkdownIt().parse(page.read_text()):
        if token.type in ('fence', 'code_block'):
            if not token.info.startswith('{'):
                assert token.map is not None
                line = token.map[0] + 1
                blocks.append(
                    Block(page, line, token.info, token.content, mark)
                )
            mark = None
        elif token.type == 'html_block':
            found = _MARK.search(token.content)
            mark = (found[1], found[2]) if found else None
        elif token.type == 'inline':
            mark = None
    return blocks


def headings(page: Path, level: int) -> list[str]:
    """Returns the headings of one level, without the marks of code."""
    tokens = MarkdownIt().parse(page.read_text())
    return [
        tokens[i + 1].content.replace('`', '')
        for i, token in enumerate(tokens)
        if token.type == 'heading_open' and token.tag == f'h{level}'
    ]
