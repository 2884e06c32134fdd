import errno
import io
import json

import pytest

from mmada.engine.hooks import weights_file
from mmada.engine.hooks.weights_file import WeightsFile


def epochs(folder):
    lines = (folder / 'weights.jsonl').read_text().splitlines()
    return [json.loads(line)['epoch'] for line in lines]


def test_what_is_done_again_is_dropped_at_the_first_line(tmp_path):
    first = WeightsFile(tmp_path)
    for epoch in (1, 2, 3):
        first.append(dict(epoch=epoch))
    resumed = WeightsFile(tmp_path)
    resumed.append(dict(epoch=3))
    resumed.append(dict(epoch=4))
    assert epochs(tmp_path) == [1, 2, 3, 4]
    WeightsFile(tmp_path).append(dict(epoch=1))
    assert epochs(tmp_path) == [1]


def test_lines_before_are_not_read_again(tmp_path, monkeypatch):
    """Of 100,000 lines each further one would take seconds."""
    file = WeightsFile(tmp_path)
    file.append(dict(epoch=1))
    monkeypatch.setattr(weights_file, 'replace', None)
    monkeypatch.setattr(weights_file, '_is_before', None)
    for epoch in (2, 3):
        file.append(dict(epoch=epoch))
    assert epochs(tmp_path) == [1, 2, 3]


def test_a_file_that_was_taken_away_is_begun_anew(tmp_path):
    file = WeightsFile(tmp_path)
    file.append(dict(epoch=1))
    (tmp_path / 'weights.jsonl').unlink()
    file.append(dict(epoch=2))
    file.append(dict(epoch=3))
    assert epochs(tmp_path) == [2, 3]


class FullDisk(io.FileIO):
    """A file that takes half of what is written to it, then nothing."""

    full = False

    def write(self, data):
        if self.full:
            raise OSError(errno.ENOSPC, 'No space left on device')
        self.full = True
        return super().write(data[: len(data) // 2])


def test_a_disk_that_is_full_leaves_no_half_line(tmp_path, monkeypatch):
    file = WeightsFile(tmp_path)
    file.append(dict(epoch=1))
    monkeypatch.setattr(
        weights_file,
        'open',
        lambda path, mode, buffering: FullDisk(path, mode),
        raising=False,
    )
    with pytest.raises(OSError, match='No space'):
        file.append(dict(epoch=2))
    assert epochs(tmp_path) == [1]
