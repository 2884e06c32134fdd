"""Files are old or new, digests true, and failpoints kill where told."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from mmada.utils import files
from mmada.utils.files import (
    DigestFile,
    failpoint,
    file_sha256,
    leftovers,
    remove_leftovers,
    replace,
)
from tests.test_engine.test_state.states import killed_at


@pytest.mark.parametrize('durable', [True, False])
@pytest.mark.parametrize('site', ['x.inside_write', 'x.before_rename'])
def test_killed_while_a_file_is_replaced(
    tmp_path: Path, site: str, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'file'
    replace(path, b'old')
    killed_at(site, lambda: replace(path, 'new', durable, 'x'), monkeypatch)
    assert path.read_bytes() == b'old'
    assert len(leftovers(tmp_path)) == 1
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ['file']


@pytest.mark.parametrize('durable', [True, False])
def test_a_file_is_replaced_by_text_or_bytes(
    tmp_path: Path, durable: bool
) -> None:
    path = tmp_path / 'file'
    for content in ('\u00e4\n', memoryview(b'bytes'), ''):
        replace(path, content, durable)
        expected = content.encode() if isinstance(content, str) else content
        assert path.read_bytes() == expected
        assert os.listdir(tmp_path) == ['file']


def test_a_link_stays_one_and_the_mode_of_the_file_too(tmp_path: Path) -> None:
    path, link = tmp_path / 'elsewhere' / 'file', tmp_path / 'link'
    path.parent.mkdir()
    path.touch()
    path.chmod(0o664)
    link.symlink_to(path)
    replace(link, b'new')
    assert link.is_symlink()
    assert path.read_bytes() == b'new'
    assert path.stat().st_mode & 0o777 == 0o664
    assert os.listdir(tmp_path / 'elsewhere') == ['file']


def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, 'Input/output error')

    path = tmp_path / 'file'
    replace(path, 'old')
    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OSError, match='Input/output'):
        replace(path, 'new')
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['file']
    replace(path, 'new', durable=False)  # asks nothing of the disk
    assert path.read_text() == 'new'


def test_names_of_others_are_no_leftovers(tmp_path: Path) -> None:
    (tmp_path / 'tmp.txt').touch()
    (tmp_path / 'tmp.d').mkdir()
    (tmp_path / f'tmp.{"0f" * 16}').mkdir()
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ['tmp.d', 'tmp.txt']


@pytest.mark.parametrize('size', [0, 1, 2**18, 2**18 + 1, 3 * 2**20])
def test_digest_of_a_file(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / 'file').write_bytes(data[:size])
    expected = hashlib.sha256(data[:size]).hexdigest()
    assert file_sha256(tmp_path / 'file') == expected


def test_digest_of_what_torch_saves(tmp_path: Path) -> None:
    path = tmp_path / 'file'
    payload = dict(small=torch.ones(3), large=torch.randn(2**20))
    with DigestFile(path, 'site') as file:
        torch.save(payload, file)
    data = path.read_bytes()
    assert file.size == len(data) > 2**22
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    loaded = torch.load(path, weights_only=True)
    assert torch.equal(loaded['large'], payload['large'])


def test_an_error_of_the_disk_stays_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(28, 'No space left on device')

        def close(self) -> None:
            raise OSError(28, 'No space left on device')

    monkeypatch.setattr(files, 'open', lambda *_: Full(), raising=False)
    with (
        pytest.raises(OSError, match='No space left'),
        DigestFile(tmp_path / 'file', 'site') as file,
    ):
        torch.save(dict(a=torch.randn(2**19)), file)
    assert file.size > 2**21


def test_an_error_of_the_writer_is_raised_and_closes_the_file(
    tmp_path: Path,
) -> None:
    class Unsuitable:
        def __reduce__(self) -> Any:
            raise KeyError('mine')

    with (
        pytest.raises(KeyError, match='mine'),
        DigestFile(tmp_path / 'file', 'site') as file,
    ):
        torch.save(Unsuitable(), file)
    assert file._file.closed


def exit_code(names: list[str]) -> int | None:
    def walk() -> None:
        for name in names:
            failpoint(name)

    child = multiprocessing.get_context('fork').Process(target=walk)
    child.start()
    child.join(30)
    return child.exitcode


@pytest.mark.parametrize(
    ('wanted', 'names', 'killed'),
    [
        ('', ['a', 'b'], False),
        ('b', ['a', 'b'], True),
        ('b', ['a', 'bb'], False),
        ('b:2', ['b', 'a'], False),
        ('b:2', ['b', 'a', 'b'], True),
    ],
)
def test_kills_at_the_named_place(
    wanted: str,
    names: list[str],
    killed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('MMADA_FAILPOINT', wanted)
    assert exit_code(names) == (-signal.SIGKILL if killed else 0)


@pytest.mark.parametrize('wanted', ['a:0', 'a:x', 'a:-1'])
def test_bad_count(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MMADA_FAILPOINT', wanted)
    with pytest.raises(ValueError, match='Found .a:'):
        failpoint('a')
