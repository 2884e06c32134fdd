"""Source of configs: what is written means the value, laid out as by ruff."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mmada.commands.adapt.source import (
    FIRST,
    Code,
    Noted,
    assignment,
    comment,
)

VALUES: dict[str, Any] = dict(
    text='a',
    short=dict(type='A', lr=0.1, names=['x', 'y'], nothing=None),
    empty=[dict(), []],
    keys={'coco/bbox_mAP': 0.5, 'coco/segm_mAP': 0.5},
    long_list=['a' * 30, 'b' * 30, 'c' * 30],
    # A call fits on a line of its own, a list is written item by item.
    call=dict(first='a' * 30, second='b' * 28),
    single=[dict(type='SomeHook', other=dict(type='Other' * 9))],
    nested=dict(a=dict(b=dict(c=['d' * 40, 'e' * 40])), f=1),
    many=[dict(type='SomeHook', size=k, name='n' * 30) for k in range(3)],
)


@pytest.mark.parametrize('name', VALUES)
def test_the_source_means_the_value(name: str) -> None:
    found: dict[str, Any] = {}
    exec(assignment(name, VALUES[name]), found)
    assert found[name] == VALUES[name]


def test_expressions_and_comments() -> None:
    value = {
        FIRST: Code('base'),
        'size': Noted(16, 'of a replica'),
        'inner': {FIRST: Code('base'), 'x': [Code('*base["l"]'), 3]},
    }
    text = assignment('new', value)
    assert text.splitlines() == [
        'new = dict(',
        '    base,',
        '    size=16,  # of a replica',
        '    inner=dict(base, x=[*base["l"], 3]),',
        ')',
    ]
    found: dict[str, Any] = dict(base=dict(l=[1, 2], size=1))
    exec(text, found)
    assert found['new']['size'] == 16
    assert found['new']['inner']['x'] == [1, 2, 3]


def test_a_comment_is_wrapped() -> None:
    lines = comment('word ' * 40).splitlines()
    assert len(lines) == 3
    assert all(line.startswith('# word') for line in lines)
    assert max(map(len, lines)) <= 79


def test_ruff_has_nothing_to_change() -> None:
    pytest.importorskip('ruff')
    noted = dict(a=Noted(1, 'why'), b=dict(c='d' * 80))
    lines = [assignment(name, value) for name, value in VALUES.items()]
    source = '\n'.join([*lines, assignment('noted', noted)]) + '\n'
    options = ('--config', "format.quote-style='single'", '--line-length=79')
    done = subprocess.run(
        [sys.executable, '-m', 'ruff', 'format', '--diff', *options, '-'],
        input=source,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ''
    assert done.returncode == 0, done.stderr
