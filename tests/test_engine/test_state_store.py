"""States survive kills, damage and full disks, or say what is wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import multiprocessing
import random
import shutil
import signal
import subprocess
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from mmada.engine import atomic
from mmada.engine.state_store import StateError, StateStore

SCHEMA = {'m': 4, 'objectives': ['loss_cls', 'loss_seg'], 'seed': {'a': 1}}
COMMIT_SITES = [
    'state.before_write',
    'state.inside_write',
    'state.before_manifest',
    'state.inside_manifest',
    'state.before_rename',
]
LATER_SITES = ['state.before_delete', 'state.inside_delete']


def payload(step: int) -> dict[str, Any]:
    return {'step': step, 'weight': torch.full((1000,), float(step))}


def filled(root: Path, *steps: int) -> StateStore:
    store = StateStore(root, SCHEMA)
    for step in steps:
        store.commit(step, payload(step))
    return store


def reopened(root: Path) -> StateStore:
    return StateStore(root, SCHEMA)


def good_steps(root: Path) -> list[int]:
    """Verify by the format's description alone, without the store."""
    good = []
    for path in root.glob('step_*'):
        manifest = json.loads((path / 'MANIFEST.json').read_text())
        data = (path / 'state.pt').read_bytes()
        if hashlib.sha256(data).hexdigest() == manifest['sha256']:
            good.append(manifest['step'])
    return sorted(good)


def in_child(action: Callable[[], Any]) -> multiprocessing.Process:
    """Start ``action`` in a forked child, so that it may be killed."""
    child = multiprocessing.get_context('fork').Process(target=action)
    child.start()
    return child  # type: ignore[return-value]


def killed_at(
    site: str, action: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('MMADA_FAILPOINT', site)
    child = in_child(action)
    child.join(60)
    monkeypatch.delenv('MMADA_FAILPOINT')
    assert child.exitcode == -signal.SIGKILL


@pytest.fixture
def warnings_logged() -> Iterator[list[str]]:
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(  # type: ignore
        record.getMessage()
    )
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def test_nothing_stored_is_none(tmp_path: Path) -> None:
    assert StateStore(tmp_path / 'absent', SCHEMA).latest() is None
    assert StateStore(tmp_path, SCHEMA).latest() is None


def test_round_trip_of_a_training_state(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    stored = {
        'model': model.state_dict(),
        'optimizer': optimizer.state_dict(),
        'rng': random.Random(3).getstate(),
        'torch_rng': torch.get_rng_state(),
        'mixed': [None, True, 1, -2.5, float('inf'), 'text', (1, [2])],
        'ordered': OrderedDict(b=1, a=2),
    }
    filled(tmp_path).commit(7, stored)
    found = reopened(tmp_path).latest()
    assert found is not None
    step, loaded = found
    assert step == 7
    torch.testing.assert_close(loaded['model'], stored['model'], rtol=0, atol=0)
    adam = loaded['optimizer']['state'][0]
    assert torch.equal(adam['exp_avg'], optimizer.state_dict()['state'][0]['exp_avg'])
    assert loaded['optimizer']['param_groups'] == optimizer.state_dict()['param_groups']
    assert loaded['rng'] == stored['rng']
    assert torch.equal(loaded['torch_rng'], stored['torch_rng'])
    assert loaded['mixed'] == stored['mixed']
    assert list(loaded['ordered']) == ['b', 'a']


def test_layout_and_manifest(tmp_path: Path) -> None:
    path = filled(tmp_path).commit(3, payload(3))
    assert path == tmp_path / 'step_00000003'
    names = {file.name for file in path.iterdir()}
    assert names == {'state.pt', 'MANIFEST.json'}
    manifest = json.loads((path / 'MANIFEST.json').read_text())
    data = (path / 'state.pt').read_bytes()
    assert manifest['step'] == 3
    assert manifest['format'] == 1
    assert manifest['size'] == len(data)
    assert manifest['sha256'] == hashlib.sha256(data).hexdigest()
    assert manifest['schema'] == SCHEMA


def test_keeps_the_newest(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2, 3, 10)
    assert good_steps(tmp_path) == [3, 10]
    store = StateStore(tmp_path / 'three', SCHEMA, keep=3)
    for step in range(5):
        store.commit(step, payload(step))
    assert good_steps(tmp_path / 'three') == [2, 3, 4]


def test_loaded_state_shares_nothing_with_the_live_one(tmp_path: Path) -> None:
    store = StateStore(tmp_path, SCHEMA)
    live = payload(1)
    store.commit(1, live)
    live['weight'].zero_()
    found = store.latest()
    assert found is not None
    assert found[1]['weight'][0] == 1


class _Custom:
    pass


@pytest.mark.parametrize(
    ('bad', 'where', 'kind'),
    [
        ({'a': {0: [1, np.float64(2)]}}, "payload['a'][0][1]", 'numpy.float64'),
        ({'a': (np.zeros(2),)}, "payload['a'][0]", 'numpy.ndarray'),
        ({'a': _Custom()}, "payload['a']", '_Custom'),
        ({'a': {(1, 2): 3}}, "payload['a'] has the key (1, 2)", 'tuple'),
        ({'a': torch.nn.Parameter(torch.ones(1))}, "payload['a']", 'Parameter'),
        ({'a': b'x'}, "payload['a']", 'bytes'),
        ({'a': {1}}, "payload['a']", 'set'),
    ],
)
def test_unsuitable_payload_is_refused(
    tmp_path: Path, bad: dict[str, Any], where: str, kind: str
) -> None:
    store = filled(tmp_path, 1)
    with pytest.raises(TypeError) as caught:
        store.commit(2, bad)
    assert where in str(caught.value)
    assert kind in str(caught.value)
    assert good_steps(tmp_path) == [1]


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
    killed_at(
        'state.inside_replace', lambda: filled(tmp_path, 2), monkeypatch
    )
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
    source = ''.join(
        path.read_text() for path in Path(atomic.__file__).parent.glob('*.py')
    )
    named = set(re_findall_sites(source))
    tested = {*COMMIT_SITES, *LATER_SITES}
    assert named == tested | {'state.inside_replace', 'state.after_read'}


def re_findall_sites(source: str) -> list[str]:
    return [part for part in source.split("'") if part.startswith('state.') and part != 'state.pt']


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
    path.write_bytes(data[: int(len(data) * fraction)])
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 1
    assert 'step_00000002' in warnings_logged[0]


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


@pytest.mark.parametrize(
    ('old', 'new'),
    [('"m": 4', '"m": 5'), ('"step": 2', '"step": 3'), ('"format": 1', '"format": 3')],
)
def test_changed_manifest_is_damage_not_another_run(
    tmp_path: Path, old: str, new: str, warnings_logged: list[str]
) -> None:
    filled(tmp_path, 1, 2)
    path = tmp_path / 'step_00000002' / 'MANIFEST.json'
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 1
    assert 'checksum of the manifest differs' in warnings_logged[0]


def test_renamed_directory_is_damage(
    tmp_path: Path, warnings_logged: list[str]
) -> None:
    filled(tmp_path, 1, 2)
    (tmp_path / 'step_00000002').rename(tmp_path / 'step_00000009')
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 1
    assert 'its manifest is of step 2' in warnings_logged[0]


def test_all_damaged_is_an_error(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2)
    (tmp_path / 'step_00000001' / 'state.pt').write_bytes(b'')
    shutil.rmtree(tmp_path / 'step_00000002')
    (tmp_path / 'step_00000002').mkdir()
    for use in (reopened(tmp_path).latest, lambda: filled(tmp_path, 3)):
        with pytest.raises(StateError) as caught:
            use()
        assert 'step_00000001' in str(caught.value)
        assert 'step_00000002' in str(caught.value)
        assert 'damaged' in str(caught.value)


def test_redone_step_replaces_the_damaged_one(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2)
    (tmp_path / 'step_00000002' / 'state.pt').write_bytes(b'')
    store = reopened(tmp_path)
    assert store.latest() is not None
    store.commit(2, payload(2))
    assert good_steps(tmp_path) == [1, 2]


def test_damaged_states_do_not_count_as_kept(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2)
    (tmp_path / 'step_00000002' / 'state.pt').write_bytes(b'')
    filled(tmp_path, 3)
    assert good_steps(tmp_path) == [1, 3]


def test_schema_difference_is_listed(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    other = {'m': 8, 'objectives': ['loss_cls'], 'seed': {'a': 1, 'b': 2}}
    for use in (
        StateStore(tmp_path, other).latest,
        lambda: StateStore(tmp_path, other).commit(2, payload(2)),
    ):
        with pytest.raises(StateError) as caught:
            use()
        lines = str(caught.value).splitlines()
        assert 'step_00000001' in lines[0]
        assert lines[1:] == [
            '  m: stored 4, this run 8',
            '  objectives: stored ["loss_cls", "loss_seg"], '
            'this run ["loss_cls"]',
            '  seed.b: stored (absent), this run 2',
        ]
    assert good_steps(tmp_path) == [1]


def test_tuples_in_the_schema_equal_lists(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    schema = {**SCHEMA, 'objectives': ('loss_cls', 'loss_seg')}
    assert StateStore(tmp_path, schema).latest() is not None


def test_unknown_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('mmada.engine.manifest.FORMAT', 2)
    filled(tmp_path, 1)
    monkeypatch.undo()
    with pytest.raises(StateError, match='has format 2, this .* format 1'):
        reopened(tmp_path).latest()


def test_old_steps_are_not_committed(tmp_path: Path) -> None:
    filled(tmp_path, 4)
    for step in (1, 4):
        with pytest.raises(StateError, match='step_00000004 exists'):
            filled(tmp_path, step)
    assert good_steps(tmp_path) == [4]


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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = shutil.which('mount')
    if mount is None:
        pytest.skip('there is no mount command')
    options = ['-t', 'tmpfs', '-o', 'size=64k', 'none', str(tmp_path)]
    if subprocess.run([mount, *options], capture_output=True).returncode:
        pytest.skip('this user may not mount a tmpfs')
    yield tmp_path
    subprocess.run(['umount', str(tmp_path)], check=True)


def test_full_disk(small_disk: Path) -> None:
    store = filled(small_disk, 1)
    with pytest.raises(StateError, match='No space left on device'):
        store.commit(2, {'big': torch.zeros(100_000)})
    assert good_steps(small_disk) == [1]
    assert not list(small_disk.glob('tmp.*'))
    store.commit(2, payload(2))
    assert good_steps(small_disk) == [1, 2]


def test_bytes_that_do_not_read_back_delete_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, 1, 2)
    real = atomic.write_synced

    def lossy(path: Path, data: bytes, site: str) -> None:
        real(path, data[:-1] if path.name == 'state.pt' else data, site)

    monkeypatch.setattr('mmada.engine.state_files.write_synced', lossy)
    with pytest.raises(StateError, match='step_00000003'):
        store.commit(3, payload(3))
    assert [1, 2] == [s for s in good_steps(tmp_path) if s < 3]


@pytest.mark.parametrize(
    ('schema', 'keep', 'message'),
    [
        (SCHEMA, 1, 'keep should be at least 2, found 1'),
        ({'a': {1, 2}}, 2, 'schema should hold JSON values only'),
        ({'a': float('nan')}, 2, 'schema should hold JSON values only'),
    ],
)
def test_bad_arguments(
    tmp_path: Path, schema: dict[str, Any], keep: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        StateStore(tmp_path, schema, keep)


def test_negative_step(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='negative, found -1'):
        StateStore(tmp_path, SCHEMA).commit(-1, {})
