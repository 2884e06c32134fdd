"""What a digest says is what was written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from mmada.utils import digest_file
from mmada.utils.digest_file import DigestFile, file_sha256


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

    monkeypatch.setattr(digest_file, 'open', lambda *_: Full(), raising=False)
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
