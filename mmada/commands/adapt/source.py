"""Values as Python source of a config, laid out as `ruff format` does."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

WIDTH = 79


class Code(str):
    """An expression, written as it is."""


class Noted(NamedTuple):
    """A value with a comment at the end of its line."""

    value: Any
    note: str


FIRST = ''
"""Key of what a `dict(...)` begins with, an expression that it extends."""


def assignment(name: str, value: Any) -> str:
    """Return `name = value` as lines."""
    return f'{name} = {render(value, before=len(name) + 3)}'


def comment(text: str) -> str:
    """Return a text as lines of comments."""
    return '\n'.join(f'# {line}' for line in textwrap.wrap(text, WIDTH - 2))


def render(
    value: Any, indent: int = 0, before: int = 0, after: int = 0
) -> str:
    """Return the source of a value.

    Args:
        value: Of a config: dicts, lists, tuples and what has a repr.
        indent: Of the line that it begins on.
        before: Characters on that line before it, without the indent.
        after: Characters that follow it on its last line.
    """
    flat = _flat(value)
    if flat and indent + before + len(flat) + after <= WIDTH:
        return flat
    opening, items, closing = _parts(value)
    if not items:
        return repr(value) if flat is None else flat
    pad = ' ' * (indent + 4)
    end = f'\n{" " * indent}{closing}'
    body = [_flat(item) for _, item in items]
    # As ruff: what is no call has a line for each of several items.
    if all(body) and (opening == 'dict(' or len(items) == 1):
        joined = ', '.join(
            key + str(text) for (key, _), text in zip(items, body, strict=True)
        )
        if len(pad) + len(joined) <= WIDTH:
            return f'{opening}\n{pad}{joined}{end}'
    lines = []
    for key, item in items:
        note = f'  # {item.note}' if isinstance(item, Noted) else ''
        inner = item.value if isinstance(item, Noted) else item
        text = render(inner, indent + 4, len(key), 1)
        lines.append(f'{pad}{key}{text},{note}')
    return '\n'.join([opening, *lines]) + end


def _flat(value: Any) -> str | None:
    """Return the source on one line, None if a comment is in it."""
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, Noted):
        return None
    opening, items, closing = _parts(value)
    if not opening:
        return repr(value)
    texts = [_flat(item) for _, item in items]
    if not all(texts):
        return None
    joined = ', '.join(
        key + str(text) for (key, _), text in zip(items, texts, strict=True)
    )
    return f'{opening}{joined}{closing}'


def _parts(value: Any) -> tuple[str, list[tuple[str, Any]], str]:
    """Return the opening, the items with their keys, and the closing."""
    if isinstance(value, dict):
        if all(key == FIRST or str(key).isidentifier() for key in value):
            items = [
                ('' if key == FIRST else f'{key}=', item)
                for key, item in value.items()
            ]
            return 'dict(', items, ')'
        return '{', [(f'{key!r}: ', v) for key, v in value.items()], '}'
    if isinstance(value, list):
        return '[', [('', item) for item in value], ']'
    return '', [], ''
