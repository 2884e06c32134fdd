"""States survive kills, damage and full disks."""

from __future__ import annotations

import errno
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mmada.engine.state import atomic, files
from mmada.engine.state.store import StateError
from tests.test_engine.test_state.states import (
    filled,
    good_steps,
    in_child,
    killed_at,
    payload,
    reopened,
)
from tests.test_faults.disks import small_disk

COMMIT_SITES = [
    'state.before_write',
    'state.inside_write',
    'state.before_manifest',
    'state.inside_manifest',
    'state.before_rename',
]
LATER_SITES = ['state.before_delete', 'state.inside_delete']


@pytest.mark.parametrize('site', COMMIT_SITES)
def test_killed_before_the_rename(
    tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 1)
    killed_at(site, lambda: filled(tmp_path, 2), monkeypatch)
    assert good_steps(tmp_path) == [1]
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 1
    assert not list(tmp_path.glob('tmp.*'))
    filled(tmp_path, 2)
    assert good_steps(tmp_path) == [1, 2]


@pytest.mark.parametrize('site', LATER_SITES)
def test_killed_after_the_rename(
    tmp_path: Path,
    site: str,
    monkeypatch: pytest.MonkeyPatch,
    warnings_logged: list[str],
) -> None:
    filled(tmp_path, 1, 2)
    killed_at(site, lambda: filled(tmp_path, 3), monkeypatch)
    assert good_steps(tmp_path)[-2:] == [2, 3]
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 3
    assert torch.equal(found[1]['weight'], payload(3)['weight'])
    assert not list(tmp_path.glob('tmp.*'))
    assert not warnings_logged


def test_killed_while_a_damaged_state_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 1, 2)
    (tmp_path / 'step_00000002' / 'MANIFEST.json').write_text('')
    killed_at('state.inside_replace', lambda: filled(tmp_path, 2), monkeypatch)
    assert good_steps(tmp_path) == [1]
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 1


def test_killed_while_loading_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 1, 2)
    killed_at(
        'state.after_read', lambda: reopened(tmp_path).latest(), monkeypatch
    )
    assert good_steps(tmp_path) == [1, 2]


def test_every_failpoint_of_the_store_is_tested() -> None:
    folder = Path(atomic.__file__).parent
    source = ''.join(path.read_text() for path in folder.glob('*.py'))
    named = set(re.findall(r"'(state\.[a-z_]+)'", source)) - {'state.pt'}
    others = {'state.inside_replace', 'state.after_read'}
    assert named == {*COMMIT_SITES, *LATER_SITES, *others}


def test_killed_at_any_moment(tmp_path: Path) -> None:
    filled(tmp_path, 0)

    def commit_for_ever() -> None:
        store = reopened(tmp_path)
        found = store.latest()
        assert found is not None
        for step in range(found[0] + 1, 100000):
            store.commit(step, payload(step))

    generator = random.Random(0)
    last = 0
    for _ in range(15):
        child = in_child(commit_for_ever)
        time.sleep(generator.uniform(0.02, 0.12))
        child.kill()
        child.join()
        found = reopened(tmp_path).latest()
        assert found is not None
        step, loaded = found
        assert step >= last and loaded['step'] == step
        assert step == good_steps(tmp_path)[-1]
        last = step
    assert last > 0


@pytest.mark.parametrize('file', ['state.pt', 'MANIFEST.json'])
@pytest.mark.parametrize('fraction', [0, 0.3, 0.9, 0.999])
def test_truncated_falls_back(
    tmp_path: Path, file: str, fraction: float, warnings_logged: list[str]
) -> None:
    filled(tmp_path, 1, 2)
    path = tmp_path / 'step_00000002' / file
    data = path.read_bytes()
    kept = int(len(data) * fraction)
    path.write_bytes(data[:kept])
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 1
    assert 'step_00000002' in warnings_logged[0]
    if file == 'state.pt':
        expected = f'{kept} bytes, expected {len(data)}'
        assert expected in warnings_logged[0]


def test_flipped_tensor_bit_falls_back(
    tmp_path: Path, warnings_logged: list[str]
) -> None:
    filled(tmp_path, 1, 2)
    path = tmp_path / 'step_00000002' / 'state.pt'
    data = bytearray(path.read_bytes())
    two = np.float32(2).tobytes() * 8
    place = data.index(two) + 3
    data[place] ^= 0x3F
    path.write_bytes(data)
    # torch itself notices nothing.
    assert torch.load(path, weights_only=True)['weight'][0] != 2
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 1
    assert 'checksum of state.pt differs' in warnings_logged[0]


def test_a_state_that_a_live_run_removed_is_an_error_of_states(
    tmp_path: Path,
) -> None:
    with pytest.raises(StateError, match='step_00000005'):
        files.load_state(tmp_path, 5)


def test_renamed_directory_is_damage(
    tmp_path: Path, warnings_logged: list[str]
) -> None:
    filled(tmp_path, 1, 2)
    (tmp_path / 'step_00000002').rename(tmp_path / 'step_00000009')
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 1
    assert 'its manifest is of step 2' in warnings_logged[0]


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_failing_write_keeps_the_old_state(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, 1, 2)

    def fail(descriptor: int) -> None:
        raise OSError(code, 'the reason')

    monkeypatch.setattr(atomic.os, 'fsync', fail)
    with pytest.raises(StateError) as caught:
        store.commit(3, payload(3))
    monkeypatch.undo()
    assert isinstance(caught.value.__cause__, OSError)
    message = str(caught.value)
    assert str(tmp_path / 'step_00000003') in message
    assert 'the reason' in message
    size = (tmp_path / 'step_00000002' / 'state.pt').stat().st_size
    assert f'{size} bytes needed' in message
    assert good_steps(tmp_path) == [1, 2]
    assert not list(tmp_path.glob('tmp.*'))
    store.commit(3, payload(3))
    assert good_steps(tmp_path) == [2, 3]


def test_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path, '64k'):
        store = filled(tmp_path, 1)
        with pytest.raises(StateError, match='No space left on device'):
            store.commit(2, {'big': torch.zeros(100_000)})
        assert good_steps(tmp_path) == [1]
        assert not list(tmp_path.glob('tmp.*'))
        store.commit(2, payload(2))
        assert good_steps(tmp_path) == [1, 2]


def test_bytes_that_do_not_read_back_delete_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, 1, 2)

    class Lossy(files.DigestFile):
        def _store(self, data: bytes | memoryview) -> None:
            super()._store(bytes(len(data)))

    monkeypatch.setattr(files, 'DigestFile', Lossy)
    with pytest.raises(StateError, match='step_00000003'):
        store.commit(3, payload(3))
    assert [s for s in good_steps(tmp_path) if s < 3] == [1, 2]
