"""Configs of pages are run, commands looked up, or marked with their needs."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from mmengine.registry import DefaultScope, Registry, root

import mmada  # noqa: F401  registers everything
import mmada.visualization  # noqa: F401  registers its hook
from tests.test_docs.commands import problem_of, split_commands
from tests.test_docs.pages import PAGES, REPO, Block, read_blocks

BLOCKS = [block for page in PAGES for block in read_blocks(page)]
UNMARKED = [block for block in BLOCKS if block.mark is None]
CONFIGS = [block for block in UNMARKED if block.language == 'python']
PYTHON = [block for block in BLOCKS if block.language == 'python']
COMMANDS = [
    block for block in UNMARKED if block.language in ('', 'bash', 'console')
]
NEEDS = {
    'COCO',
    'ADE20K',
    'CamVid',
    'VOC',
    'Cityscapes',
    'a CUDA toolkit',
    'several GPUs',
    'Slurm',
    'Open MPI',
    'a checkout of MMDetection',
}
# Of the examples on the page about new methods, run by a test of their own.
EXAMPLES = {'LaggardWeighting', 'CoolingSearch', 'ObjectRecall'}


def types_in(value: Any) -> Iterator[str]:
    """Yields what the `type` of each dict in a config is."""
    if isinstance(value, dict):
        kind = value.get('type')
        if isinstance(kind, str):
            yield kind
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from types_in(item)


def is_registered(kind: str) -> bool:
    with DefaultScope.overwrite_default_scope('mmdet'):
        return any(registry.get(kind) for registry in registries())


def registries() -> list[Registry]:
    return [
        value for value in vars(root).values() if isinstance(value, Registry)
    ]


def private_imports(text: str) -> list[str]:
    """Returns what a snippet imports that no package of mmada exports."""
    bad = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported = [(a.name, '') for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported = [(node.module or '', a.name) for a in node.names]
        else:
            continue
        for module, name in imported:
            if module.split('.')[0] == 'mmada':
                package = importlib.import_module(module)
                public = [*getattr(package, '__all__', []), '']
                if not hasattr(package, '__path__') or name not in public:
                    bad.append(f'{module}.{name}'.rstrip('.'))
    return bad


def unknown_types(text: str) -> list[str]:
    """Runs a piece of a config; returns the types that nobody registered."""
    found: dict[str, Any] = {}
    exec(text.replace('dict(...)', 'dict()'), found)
    del found['__builtins__']
    return [
        kind
        for kind in types_in(found)
        if kind not in EXAMPLES and not is_registered(kind)
    ]


@pytest.mark.parametrize('block', CONFIGS, ids=str)
def test_a_piece_of_a_config_names_what_there_is(block: Block) -> None:
    assert unknown_types(block.text) == []


@pytest.mark.parametrize('block', PYTHON, ids=str)
def test_a_snippet_imports_what_a_package_exports(block: Block) -> None:
    assert private_imports(block.text) == []


@pytest.mark.parametrize('block', COMMANDS, ids=str)
def test_a_command_is_one_that_tests_know(block: Block) -> None:
    problems = {c: problem_of(c) for c in split_commands(block.text)}
    assert {c: p for c, p in problems.items() if p} == {}


@pytest.mark.parametrize(
    'block', [block for block in BLOCKS if block.mark], ids=str
)
def test_a_mark_says_what_is_known(block: Block) -> None:
    assert block.mark is not None
    kind, text = block.mark
    if kind == 'test':
        path, _, name = text.partition('::')
        assert name in (REPO / path).read_text()
    elif kind == 'needs':
        assert {part.strip() for part in text.split(',')} <= NEEDS


@pytest.mark.parametrize(
    ('command', 'expected'),
    [
        ('python tools/none.py', 'there is no tools/none.py'),
        ('make coffee', 'the Makefile has no target coffee'),
        ('python tools/train.py C --fast', 'tools/train.py has no --fast'),
        ('mmada trian C', 'mmada has no command trian'),
        ('mmada train C --fast', 'mmada train has no --fast'),
        ('mmada train C --amp', ''),
        ('pip install mmdet', 'an unknown installation'),
        ('python -m pytest tests/none.py', 'there is no tests/none.py'),
        ('OMP_NUM_THREADS=1 python tools/train.py CONFIG --resume', ''),
    ],
)
def test_a_wrong_command_is_seen(command: str, expected: str) -> None:
    assert problem_of(command) == expected


def test_a_wrong_type_is_seen() -> None:
    assert unknown_types("model = [dict(type='NoSuchThing')]") == [
        'NoSuchThing'
    ]


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('from mmada.controllers import AdaSegment, Start', []),
        ('import mmada.testing', []),
        ('from torch import nothing', []),
        ('from mmada.controllers import check_int', ['check_int']),
        ('from mmada.controllers.base import Start', ['base.Start']),
        ('import mmada.controllers.base', ['base']),
    ],
)
def test_a_private_import_is_seen(text: str, expected: list[str]) -> None:
    assert private_imports(text) == [
        f'mmada.controllers.{e}' for e in expected
    ]
