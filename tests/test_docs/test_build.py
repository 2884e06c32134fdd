"""The documentation builds without a warning and holds every public name."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.test_docs.pages import DOCS
from tests.test_layers import LAYERS
from tests.test_visualization.test_report import browser

pytest.importorskip('sphinx')
FORMULAS = 'controllers.html'
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


def test_no_page_needs_another_host(html):
    """Nothing that a page loads; it may link to where it likes."""
    loads = r'<(?:script|img|iframe|source)[^>]*\ssrc="(?:https?:)?//[^"]*'
    links = r'<link[^>]*\shref="(?:https?:)?//[^"]*'
    styles = r'(?:url\(|@import)\s*["\']?(?:https?:)?//[^)]*'
    found = {
        str(path.relative_to(html)): re.findall(pattern, path.read_text())
        for pattern, kind in ((f'{loads}|{links}', 'html'), (styles, 'css'))
        for path in html.rglob(f'*.{kind}')
    }
    assert len(found) > 30
    assert {name: there for name, there in found.items() if there} == {}


@pytest.fixture(scope='module')
def served(html) -> Iterator[str]:
    """A browser lists what a page has loaded if a server sends the page."""
    handler = partial(SimpleHTTPRequestHandler, directory=html)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


def test_a_browser_shows_formulas_and_copy_buttons(served, tmp_path):
    driver = browser.start(tmp_path / 'profile')
    try:
        driver.get(f'{served}/{FORMULAS}')
        assert count(driver, '.math') > 0
        script = "return document.querySelectorAll('.math:not(:has(mjx-math))'"
        browser.eventually(driver, f'{script}).length', 0)
        assert count(driver, 'button.copybtn') > 0
        script = 'return performance.getEntries().map(e => e.name)'
        loaded = [n for n in driver.execute_script(script) if '://' in n]
        assert any(n.startswith(f'{served}/_static/mathjax/') for n in loaded)
        assert [n for n in loaded if not n.startswith(served)] == []
        assert browser.errors(driver) == []
    finally:
        driver.quit()


def count(driver: Any, selector: str) -> int:
    """Returns how many elements of a page a selector finds."""
    script = 'return document.querySelectorAll(arguments[0]).length'
    return driver.execute_script(script, selector)


# The command `mmada` is no library.
@pytest.mark.parametrize('package', sorted(set(LAYERS) - {'commands'}))
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
