"""The mathematics knows of torch alone, and nothing above it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmada

ROOT = Path(mmada.__file__).parent
PURE = ('controllers', 'surrogates', 'weightings')
# What one file may import in addition, when it is used.
OPTIONAL = {('optuna_study.py', 'optuna')}


def imported(source: str) -> Iterator[str]:
    """Names of modules that a source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield '.' * node.level + (node.module or '')


def pure(module: str) -> bool:
    top = module.split('.')[0]
    return (
        top == 'torch'
        or top in sys.stdlib_module_names
        or module.startswith(tuple(f'mmada.{name}' for name in PURE))
    )


@pytest.mark.parametrize('folder', PURE)
def test_only_torch_and_each_other(folder: str) -> None:
    files = sorted((ROOT / folder).rglob('*.py'))
    assert files
    found = {
        (path.name, module)
        for path in files
        for module in imported(path.read_text())
    }
    assert {pair for pair in found if not pure(pair[1])} <= OPTIONAL


def test_the_scan_sees_hidden_imports() -> None:
    source = 'def f():\n    from mmengine import Config\n'
    assert [pure(name) for name in imported(source)] == [False]
    assert [pure(name) for name in imported('from ..engine import x')] == [
        False
    ]
