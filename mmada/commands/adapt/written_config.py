"""What is common to all configs that are written."""

from __future__ import annotations

from typing import Any, NamedTuple

from mmada.commands.adapt.methods import Method
from mmada.commands.adapt.source import Code, assignment, comment
from mmada.commands.adapt.stock import Stock


class Adapted(NamedTuple):
    """A config and what is to be said of it.

    Attributes:
        source: Of the config.
        decided: What was decided, a line each.
        left_open: What the user has to know or to do, a line each.
        command: What trains it.
    """

    source: str
    decided: list[str]
    left_open: list[str]
    command: str = 'mmada train'


def head(stock: Stock, method: Method) -> str:
    """Return what a config begins with."""
    lines = [
        comment(f'{method.summary} Written by `mmada adapt`.'),
        assignment('_base_', stock.base),
    ]
    found = (stock.config.get('custom_imports') or {}).get('imports') or []
    named = [found] if isinstance(found, str) else found
    if 'mmada' not in named:
        imports: Any = ['mmada']
        if named:  # a list replaces that of the base
            star = '' if isinstance(found, str) else '*'
            kept = f"{star}_base_.custom_imports['imports']"
            imports = Code(f"[{kept}, 'mmada']")
        custom = dict(imports=imports, allow_failed_imports=False)
        lines.append(assignment('custom_imports', custom))
    return '\n'.join(lines)


def path_of_base(stock: Stock, name: str) -> list[str]:
    """Return what is left open where the base is a path, not a name."""
    if '::' not in name or stock.base == name:
        return []
    return [
        'the `_base_`, a path of this installation that has to be changed on '
        f'another machine, since MMEngine does not find {name} by its name, '
        'or cannot build its dataloaders then'
    ]


def join(*parts: str) -> str:
    """Return the source of a config, a blank line between its parts."""
    return '\n\n'.join(parts) + '\n'
