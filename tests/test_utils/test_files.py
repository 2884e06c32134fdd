"""A file is the old one or the new one, and leftovers go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmada.utils.files import leftovers, remove_leftovers, replace_synced
from tests.test_engine.test_state.states import killed_at


@pytest.mark.parametrize('site', ['x.inside_write', 'x.before_rename'])
def test_killed_while_a_file_is_replaced(
    tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'file'
    replace_synced(path, b'old', 'x')
    killed_at(site, lambda: replace_synced(path, b'new', 'x'), monkeypatch)
    assert path.read_bytes() == b'old'
    assert len(leftovers(tmp_path)) == 1
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ['file']


def test_names_of_others_are_no_leftovers(tmp_path: Path) -> None:
    (tmp_path / 'tmp.txt').touch()
    (tmp_path / 'tmp.d').mkdir()
    (tmp_path / f'tmp.{"0f" * 16}').mkdir()
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ['tmp.d', 'tmp.txt']
