"""A resume finds what can be read, or an error says why nothing can."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch

from mmada.engine import CheckpointError, find_latest_checkpoint
from mmada.engine.checkpoints import checkpoint_problem
from tests.test_faults.damage import CLOTHING, Payload


def save(path: Path, age: int = 0) -> Path:
    """Writes a checkpoint that is `age` seconds old."""
    torch.save(dict(meta={}, state_dict=dict(a=torch.ones(5000))), path)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def name(folder: Path, text: object) -> None:
    (folder / 'last_checkpoint').write_text(str(text))


def truncate(path: Path, fraction: float) -> None:
    stat = path.stat()
    path.write_bytes(path.read_bytes()[: int(stat.st_size * fraction)])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_nothing_there(tmp_path: Path) -> None:
    assert find_latest_checkpoint(tmp_path) is None
    assert find_latest_checkpoint(tmp_path / 'absent') is None
    save(tmp_path / 'explored.pth')
    save(tmp_path / 'best_epoch_2.pth')
    save(tmp_path / 'epoch_2-12345678.pth')
    assert find_latest_checkpoint(tmp_path) is None


def test_the_named_one_if_it_is_whole(
    tmp_path: Path, warnings_logged: list[str]
) -> None:
    named = save(tmp_path / 'mine.pth', 10)
    save(tmp_path / 'epoch_3.pth')
    name(tmp_path, named)
    assert find_latest_checkpoint(str(tmp_path)) == str(named)
    assert not warnings_logged


@pytest.mark.parametrize('text', ['', '\0\0', '\n', 'gone/epoch_9.pth'])
def test_empty_or_dangling(
    tmp_path: Path, text: str, warnings_logged: list[str]
) -> None:
    save(tmp_path / 'epoch_10.pth', 30)
    newest = save(tmp_path / 'epoch_2.pth', 10)
    save(tmp_path / 'iter_99.pth', 20)
    save(tmp_path / 'explored.pth')
    name(tmp_path, text)
    assert find_latest_checkpoint(tmp_path) == str(newest)
    assert str(newest) in warnings_logged[0]
    assert 'last_checkpoint' in warnings_logged[0]


def test_in_a_copied_directory_the_name_decides(tmp_path: Path) -> None:
    """A copy may be written in any order, so the times say nothing."""
    named = save(tmp_path / 'epoch_12.pth', age=9)
    save(tmp_path / 'epoch_9.pth')
    name(tmp_path, '/on/another/machine/epoch_12.pth')
    assert find_latest_checkpoint(tmp_path) == str(named)
    named.unlink()
    found = find_latest_checkpoint(tmp_path)
    assert found == str(tmp_path / 'epoch_9.pth')


def test_number_decides_at_equal_times(tmp_path: Path) -> None:
    for epoch in (9, 10, 8):
        save(tmp_path / f'epoch_{epoch}.pth')
    found = find_latest_checkpoint(tmp_path)
    assert found == str(tmp_path / 'epoch_10.pth')


def test_without_last_checkpoint(
    tmp_path: Path, warnings_logged: list[str]
) -> None:
    path = save(tmp_path / 'epoch_1.pth')
    assert find_latest_checkpoint(tmp_path) == str(path)
    assert 'there is no last_checkpoint' in warnings_logged[0]


@pytest.mark.parametrize('fraction', [0, 0.3, 0.9, 0.999])
def test_truncated(
    tmp_path: Path, fraction: float, warnings_logged: list[str]
) -> None:
    older = save(tmp_path / 'epoch_1.pth', 10)
    newer = save(tmp_path / 'epoch_2.pth')
    truncate(newer, fraction)
    name(tmp_path, newer)
    assert find_latest_checkpoint(tmp_path) == str(older)
    assert f'{newer}' in warnings_logged[0]


def test_flipped_bit_that_torch_does_not_see(
    tmp_path: Path, warnings_logged: list[str]
) -> None:
    older = save(tmp_path / 'epoch_1.pth', 10)
    newer = save(tmp_path / 'epoch_2.pth')
    data = bytearray(newer.read_bytes())
    data[len(data) // 2] ^= 0x40
    newer.write_bytes(data)
    tensor = torch.load(newer, weights_only=True)['state_dict']['a']
    assert not torch.equal(tensor, torch.ones(5000))
    name(tmp_path, newer)
    assert find_latest_checkpoint(tmp_path) == str(older)
    assert 'the checksum of its part' in warnings_logged[0]


def test_checkpoints_in_another_directory(tmp_path: Path) -> None:
    work_dir, out_dir = tmp_path / 'work', tmp_path / 'out'
    work_dir.mkdir()
    out_dir.mkdir()
    older = save(out_dir / 'epoch_1.pth')
    name(work_dir, out_dir / 'epoch_2.pth')
    assert find_latest_checkpoint(work_dir) == str(older)


def test_remote_storage_is_left_to_its_loader(tmp_path: Path) -> None:
    name(tmp_path, 's3://bucket/epoch_2.pth')
    assert find_latest_checkpoint(tmp_path) == 's3://bucket/epoch_2.pth'


def test_all_damaged_is_an_error_that_names_them(tmp_path: Path) -> None:
    path = save(tmp_path / 'epoch_1.pth')
    truncate(path, 0.5)
    name(tmp_path, '')
    with pytest.raises(CheckpointError) as caught:
        find_latest_checkpoint(tmp_path)
    assert str(path) in str(caught.value)
    assert 'last_checkpoint' in str(caught.value)


def test_empty_last_checkpoint_and_no_file_is_an_error(tmp_path: Path) -> None:
    name(tmp_path, '')
    with pytest.raises(CheckpointError, match='it is empty'):
        find_latest_checkpoint(tmp_path)


def test_looking_at_a_file_runs_nothing_of_it(tmp_path: Path) -> None:
    sentinel = tmp_path / 'ran'
    for name in ('policy.pth', 'policy.pkl'):
        data = CLOTHING[name](Payload(sentinel))
        (tmp_path / 'epoch_1.pth').write_bytes(data)
        checkpoint_problem(tmp_path / 'epoch_1.pth')
    assert not sentinel.exists()
    assert checkpoint_problem(tmp_path / 'epoch_1.pth') is not None


def test_archives_that_torch_cannot_read(tmp_path: Path) -> None:
    path = save(tmp_path / 'epoch_1.pth')
    path.write_bytes(b'PK\x03\x04' + path.read_bytes())
    assert checkpoint_problem(path) == 'it does not start as an archive'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a', 'b')
    assert checkpoint_problem(path) == 'it was not saved by torch'
