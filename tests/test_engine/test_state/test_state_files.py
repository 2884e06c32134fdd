"""States survive kills, damage and full disks, and come back as they were."""

from __future__ import annotations

import errno
import json
import random
import re
import time
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mmada
from mmada.engine.state import parts as state_parts
from mmada.engine.state import state_files
from mmada.engine.state.payload import (
    StateError,
    check_payload,
    load_payload,
    payload_size,
    save_payload,
)
from mmada.engine.state.state_files import FORMAT, identity_difference
from mmada.engine.state.store import StateStore
from mmada.utils import files as atomic
from tests.test_engine.test_state.states import (
    IDENTITY,
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
    folder = Path(state_files.__file__).parent
    files = [*folder.glob('*.py'), Path(atomic.__file__)]
    source = ''.join(path.read_text() for path in files)
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
        state_files.load_state(tmp_path, 5)


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

    class Lossy(state_parts.DigestFile):
        def _store(self, data: bytes | memoryview) -> None:
            super()._store(bytes(len(data)))

    monkeypatch.setattr(state_parts, 'DigestFile', Lossy)
    with pytest.raises(StateError, match='step_00000003'):
        store.commit(3, payload(3))
    assert [s for s in good_steps(tmp_path) if s < 3] == [1, 2]


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('"m": 4', '"m": 5'),
        ('"step": 2', '"step": 3'),
        ('"format": 2', '"format": 3'),
    ],
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


def test_unknown_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('mmada.engine.state.state_files.FORMAT', 3)
    filled(tmp_path, 1)
    monkeypatch.undo()
    with pytest.raises(StateError, match='has format 3, .* formats up to 2'):
        reopened(tmp_path).latest()


def rewrite(
    root: Path, version: Any, format: int = FORMAT, data: bytes | None = None
) -> None:
    """Makes state 1 one that another version wrote.

    Args:
        root: Directory of the states.
        version: Of mmada; None for a version that did not record it.
        format: Of the manifest.
        data: Content of the state; None to keep it.
    """
    path = root / 'step_00000001'
    fields = json.loads((path / 'MANIFEST.json').read_text())
    assert fields.pop('mmada_version') == mmada.__version__
    del fields['manifest_sha256']
    fields['format'] = format
    if version is not None:
        fields['mmada_version'] = version
    if data is not None:
        (path / 'state.pt').write_bytes(data)
        fields |= dict(size=len(data), sha256=sha256(data).hexdigest())
    text = json.dumps(fields, sort_keys=True).encode()
    fields['manifest_sha256'] = sha256(text).hexdigest()
    (path / 'MANIFEST.json').write_text(json.dumps(fields))


NOT_RECORDED = 'written by an early mmada that did not record its version'
WRITERS = pytest.mark.parametrize(
    ('version', 'writer'),
    [
        ('0.0.1', 'written by mmada 0.0.1'),
        (None, NOT_RECORDED),
        (3, NOT_RECORDED),
    ],
)


@WRITERS
def test_the_version_that_wrote_a_state_does_not_matter(
    tmp_path: Path, version: Any, writer: str
) -> None:
    filled(tmp_path, 1)
    rewrite(tmp_path, version)
    found = reopened(tmp_path).latest()
    assert found is not None and found[0] == 1


@WRITERS
def test_a_state_that_cannot_be_read_names_the_version_that_wrote_it(
    tmp_path: Path, version: Any, writer: str
) -> None:
    filled(tmp_path, 1)
    other = StateStore(tmp_path, dict(IDENTITY, m=2))
    rewrite(tmp_path, version)
    with pytest.raises(StateError, match=f'different run; .* {writer}; what'):
        other.latest()

    for root in (tmp_path / 'format', tmp_path / 'content'):
        filled(root, 1)
    rewrite(tmp_path / 'format', version, format=3)
    with pytest.raises(StateError, match=f'has format 3, {writer}; this'):
        reopened(tmp_path / 'format').latest()
    rewrite(tmp_path / 'content', version, data=b'of another torch')
    with pytest.raises(StateError, match=f'{writer}, is intact, but this'):
        reopened(tmp_path / 'content').latest()


def test_the_stored_identity_is_that_of_the_newest_whole_manifest(
    tmp_path: Path,
) -> None:
    assert state_files.stored_identity(tmp_path) is None
    filled(tmp_path, 1)
    state_files.write_state(tmp_path, 2, payload(2), {'seed': 8})
    assert state_files.stored_identity(tmp_path) == {'seed': 8}
    (tmp_path / 'step_00000002/MANIFEST.json').write_text('{')
    assert state_files.stored_identity(tmp_path) == IDENTITY


def test_identity_difference() -> None:
    # What no state of an early version has is not compared.
    new = {'m': 4, 'objectives': ['loss_cls'], 'seed': {}, 'extra': None}
    assert identity_difference(IDENTITY, IDENTITY) == []
    assert identity_difference(IDENTITY, new) == [
        'objectives: stored ["loss_cls", "loss_seg"], this run ["loss_cls"]',
        'seed: stored (absent), this run {}',
        'seed.a: stored 1, this run (absent)',
    ]


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
    check_payload(stored)
    path = tmp_path / 'state.pt'
    with open(path, 'wb') as file:
        save_payload(stored, file)
    assert payload_size(stored) == path.stat().st_size
    loaded = load_payload(path)
    torch.testing.assert_close(
        loaded['model'], stored['model'], rtol=0, atol=0
    )
    adam = loaded['optimizer']['state'][0]
    assert torch.equal(
        adam['exp_avg'], optimizer.state_dict()['state'][0]['exp_avg']
    )
    assert (
        loaded['optimizer']['param_groups']
        == optimizer.state_dict()['param_groups']
    )
    assert loaded['rng'] == stored['rng']
    assert torch.equal(loaded['torch_rng'], stored['torch_rng'])
    assert loaded['mixed'] == stored['mixed']
    assert list(loaded['ordered']) == ['b', 'a']


class _Custom:
    pass


@pytest.mark.parametrize(
    ('bad', 'where', 'kind'),
    [
        (
            {'a': {0: [1, np.float64(2)]}},
            "payload['a'][0][1]",
            'numpy.float64',
        ),
        ({'a': (np.zeros(2),)}, "payload['a'][0]", 'numpy.ndarray'),
        ({'a': _Custom()}, "payload['a']", '_Custom'),
        (
            {'a': {(1, 2): 3}},
            "payload['a']` should have keys of type str or int. Found (1, 2)",
            'tuple',
        ),
        (
            {'a': torch.nn.Parameter(torch.ones(1))},
            "payload['a']",
            'Parameter',
        ),
        ({'a': b'x'}, "payload['a']", 'bytes'),
        ({'a': {1}}, "payload['a']", 'set'),
    ],
)
def test_unsuitable_payload_is_refused(
    bad: dict[str, Any], where: str, kind: str
) -> None:
    with pytest.raises(TypeError) as caught:
        check_payload(bad)
    assert where in str(caught.value)
    assert kind in str(caught.value)
