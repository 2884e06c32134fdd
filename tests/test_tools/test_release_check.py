"""What a release check refuses; the whole of it needs a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.scripts import load


@pytest.fixture
def check(monkeypatch, tmp_path) -> ModuleType:
    """The tool, on a small repository of its own."""
    tool = load('dev/release_check.py')
    git('init', '-q', cwd=tmp_path)
    (tmp_path / 'CHANGELOG.md').write_text('# Changes\n\n## 9.1.0\n')
    git('add', '.', cwd=tmp_path)
    git('commit', '-qm', 'all', cwd=tmp_path)
    monkeypatch.setattr(tool, 'REPO', tmp_path)
    monkeypatch.setattr(tool, 'VERSION', '9.1.0')
    return tool


def git(*words: str, cwd: Path) -> None:
    user = ['-c', 'user.name=a', '-c', 'user.email=a@b']
    subprocess.run(['git', *user, *words], cwd=cwd, check=True)


def test_a_commit_with_an_entry_is_taken(check):
    check.check_checkout()


def test_a_change_is_refused(check, tmp_path):
    (tmp_path / 'new.py').write_text('')
    with pytest.raises(check.ReleaseError, match=r'differs .*\n\?\? new.py'):
        check.check_checkout()


def test_a_version_without_an_entry_is_refused(check, monkeypatch):
    monkeypatch.setattr(check, 'VERSION', '9.2.0')
    with pytest.raises(check.ReleaseError, match='no entry for 9.2.0'):
        check.check_checkout()


def test_a_command_that_fails_shows_what_it_said(check):
    with pytest.raises(check.ReleaseError, match='no such luck'):
        check.run(sys.executable, '-c', 'raise SystemExit("no such luck")')


def test_a_command_does_not_see_the_callers_path(check, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', '/somewhere')
    code = 'import os; print(os.environ.get("PYTHONPATH"))'
    assert check.run(sys.executable, '-c', code) == 'None\n'


def test_another_mmada_than_the_wheels_is_refused(check, tmp_path):
    class Other:
        python = sys.executable
        folder = tmp_path / 'venv'

    with pytest.raises(check.ReleaseError, match='imports mmada from'):
        check.try_out(Other, Path(__file__).parents[2])
