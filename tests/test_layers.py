"""Imports go down the layers only, and packages say what they export."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmada

PACKAGE = Path(mmada.__file__).parent
LAYERS = {
    'utils': 0,
    'policies': 1,
    'controllers': 1,
    'weightings': 1,
    'surrogates': 1,
    'datasets': 2,
    'evaluation': 2,
    'models': 2,
    'engine': 3,
    'visualization': 4,
    'diagnostics': 4,
    'testing': 5,
    'commands': 6,
}
# Of folders in one layer, which may use which.
PEERS = {
    'controllers': 'policies',
    'weightings': 'policies',
    'evaluation': 'datasets',
}
# What a layer may use beside torch, the standard library and this package.
HOSTS = {'mmengine', 'mmcv', 'mmdet', 'numpy', 'cv2'}
OUTSIDE: dict[int, set[str]] = {
    0: {'numpy'},
    1: set(),
    2: HOSTS,
    3: HOSTS,
    4: HOSTS | {'matplotlib', 'plotly', 'jinja2', 'markupsafe'},
    5: HOSTS | {'pytest'},
    6: HOSTS,
}
# What one file may import in addition, when it is used.
OPTIONAL = {
    'model_losses.py': ['mmseg.structures'],
    'optuna_study.py': ['optuna'],
    'policy_file.py': ['safetensors.torch', 'safetensors'],
}
FILES = sorted(
    path for folder in LAYERS for path in (PACKAGE / folder).rglob('*.py')
)


def imports(source: str, package: str) -> Iterator[str]:
    """Yields the absolute names of modules that a source imports.

    Args:
        source: Python source.
        package: Package of the file, for relative imports.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split('.')
            base = '.'.join(parts[: len(parts) + 1 - node.level])
            module = node.module or ''
            name = f'{base}.{module}'.strip('.') if node.level else module
            if name == 'mmada':  # `from mmada import controllers`
                yield from (f'mmada.{alias.name}' for alias in node.names)
            else:
                yield name


def folder_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def package_of(path: Path) -> str:
    return '.'.join(path.relative_to(PACKAGE.parent).parent.parts)


def offences(source: str, folder: str, package: str) -> list[str]:
    """Returns the imports that a file of a folder must not have."""
    layer = LAYERS[folder]
    bad = []
    for name in imports(source, package):
        top, _, rest = name.partition('.')
        if top == 'mmada':
            target = rest.split('.')[0]
            below = LAYERS.get(target, 9) < layer or target == 'version'
            if not below and target not in (folder, PEERS.get(folder)):
                bad.append(name)
        elif not (
            top == 'torch'
            or top in sys.stdlib_module_names
            or top in OUTSIDE[layer]
        ):
            bad.append(name)
    return bad


@pytest.mark.parametrize(
    'path', FILES, ids=lambda p: f'{p.parent.name}/{p.stem}'
)
def test_imports_go_down(path):
    found = offences(path.read_text(), folder_of(path), package_of(path))
    assert found == OPTIONAL.get(path.name, [])


def test_every_folder_has_a_layer():
    folders = {p.parent.name for p in PACKAGE.glob('*/__init__.py')}
    assert folders <= set(LAYERS)
    assert folders >= {'controllers', 'models', 'engine'}


@pytest.mark.parametrize(
    ('folder', 'source', 'expected'),
    [
        ('controllers', 'import numpy as np', ['numpy']),
        ('controllers', 'import torch.nn, math', []),
        ('weightings', 'from mmada.policies import x', []),
        (
            'weightings',
            'from mmada.controllers import x',
            ['mmada.controllers'],
        ),
        ('weightings', 'from ..engine import x', ['mmada.engine']),
        ('models', 'def f():\n from mmada import engine', ['mmada.engine']),
        ('controllers', 'import mmada.weightings', ['mmada.weightings']),
        ('datasets', 'import mmada.evaluation', ['mmada.evaluation']),
        ('models', 'from ..evaluation.x import y', ['mmada.evaluation.x']),
        ('models', 'from mmada.weightings import x', []),
        ('models', 'from . import objectives', []),
        ('engine', 'from mmada import controllers, models', []),
        ('engine', 'import mmada.visualization', ['mmada.visualization']),
        ('engine', 'from tools import train', ['tools']),
        ('engine', 'import matplotlib.pyplot', ['matplotlib.pyplot']),
        ('diagnostics', 'import pytest', ['pytest']),
        ('diagnostics', 'import mmada.testing', ['mmada.testing']),
        ('testing', 'import pytest, mmada.engine', []),
    ],
)
def test_the_scan_sees_what_is_wrong(folder, source, expected):
    assert offences(source, folder, f'mmada.{folder}') == expected


def test_the_top_of_the_package_loads_no_tool_and_no_figure():
    names = set(imports((PACKAGE / '__init__.py').read_text(), 'mmada'))
    assert not {n for n in names if 'tools' in n or 'visualization' in n}
    assert 'mmada.engine' in names


@pytest.mark.parametrize(
    'name', sorted(package_of(path) for path in PACKAGE.rglob('__init__.py'))
)
def test_a_package_lists_what_it_exports(name):
    if name.startswith('mmada.visualization'):
        pytest.importorskip('matplotlib')
        pytest.importorskip('plotly')
    package = importlib.import_module(name)
    exported = _exported(Path(str(package.__file__)).read_text())
    listed = getattr(package, '__all__', [])
    assert all(hasattr(package, each) for each in listed)
    assert len(set(listed)) == len(listed)
    assert listed or not exported


def _exported(source: str) -> set[str]:
    """Returns the names that a package takes from its own modules."""
    return {
        alias.asname or alias.name
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
