"""The suites are imported with pytest, and by nobody without it."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    """Returns what a fresh interpreter writes."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_the_package_does_not_import_them() -> None:
    code = (
        'import sys, mmada, mmada.visualization, mmada.diagnostics\n'
        "found = sys.modules.keys() & {'pytest', 'mmada.testing'}\n"
        "print('found', sorted(found))"
    )
    assert 'found []' in run(code)


def test_without_pytest_the_error_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['pytest'] = None; import mmada.testing"
    lines = run(code).splitlines()
    assert lines[-1] == (
        'ImportError: mmada.testing needs pytest, which is not installed: '
        'pip install pytest'
    )
