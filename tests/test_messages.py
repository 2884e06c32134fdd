"""Errors of options have one form: what was expected, then what was found."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import mmada

PACKAGE = Path(mmada.__file__).parent
FORM = re.compile(r'^`[^`]+`.* should .*\bFound\b', re.S)


def text_of(node: ast.expr) -> str:
    """Returns what is constant of a message, ``{}`` for the rest."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return ''.join(map(text_of, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return '{}'


def option_errors(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and message of each error that begins with an option."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Raise) or not isinstance(
            node.exc, ast.Call
        ):
            continue
        name = getattr(node.exc.func, 'id', '')
        if name in ('ValueError', 'TypeError') and node.exc.args:
            message = text_of(node.exc.args[0])
            if message.startswith('`'):
                yield node.lineno, message


def test_errors_of_options_have_one_form():
    found = {
        f'{path.relative_to(PACKAGE)}:{line}': message
        for path in PACKAGE.rglob('*.py')
        for line, message in option_errors(path.read_text())
    }
    assert len(found) > 100
    assert {k: m for k, m in found.items() if not FORM.match(m)} == {}


def test_the_scan_sees_another_form():
    source = "raise ValueError(f'`n` is {n}; ' + 'expected 1.')\n"
    ((_, message),) = option_errors(source)
    assert message == '`n` is {}; expected 1.'
    assert not FORM.match(message)
    assert FORM.match('`n` should be 1. Found {}.')
