"""The documentation builds without a warning and holds every public name."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs.pages import DOCS
from tests.test_layers import LAYERS

pytest.importorskip('sphinx')
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def html(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('html')
    command = [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going']
    done = subprocess.run(
        [*command, '-b', 'html', '-d', str(out / 'trees'), DOCS, out],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return out


def test_the_pages_are_there(html):
    assert 'Start here' in (html / 'start.html').read_text()


@pytest.mark.parametrize('package', sorted(LAYERS))
def test_every_public_name_is_in_the_reference(html, package):
    """On the page of the package that a name comes from."""
    module = importlib.import_module(f'mmada.{package}')
    described = [n for n in module.__all__ if _is_described(module, n)]
    assert described
    missing = []
    for name in described:
        home = getattr(module, name).__module__.split('.')[1]
        text = (html / 'api' / f'{home}.html').read_text()
        if f'id="mmada.{home}.{name}"' not in text:
            missing.append(name)
    assert missing == []


def _is_described(module, name: str) -> bool:
    """Tells a class or function from a constant or a type alias."""
    value = getattr(module, name)
    return inspect.isclass(value) or inspect.isroutine(value)
