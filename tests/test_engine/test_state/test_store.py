"""The newest good state comes back, or an error says why none does."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import mmada
from mmada.engine.state import StateError, StateStore
from tests.test_engine.test_state.states import (
    IDENTITY,
    filled,
    good_steps,
    payload,
    reopened,
)


def test_nothing_stored_is_none(tmp_path: Path) -> None:
    assert StateStore(tmp_path / 'absent', IDENTITY).latest() is None
    assert StateStore(tmp_path, IDENTITY).latest() is None


def test_layout_and_manifest(tmp_path: Path) -> None:
    path = filled(tmp_path).commit(3, payload(3))
    assert path == tmp_path / 'step_00000003'
    names = {file.name for file in path.iterdir()}
    assert names == {'state.pt', 'MANIFEST.json'}
    manifest = json.loads((path / 'MANIFEST.json').read_text())
    data = (path / 'state.pt').read_bytes()
    assert manifest['step'] == 3
    assert manifest['format'] == 2
    assert manifest['size'] == len(data)
    assert manifest['sha256'] == hashlib.sha256(data).hexdigest()
    assert manifest['schema'] == IDENTITY
    assert manifest['mmada_version'] == mmada.__version__


def test_keeps_the_newest(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2, 3, 10)
    assert good_steps(tmp_path) == [3, 10]
    store = StateStore(tmp_path / 'three', IDENTITY, keep=3)
    for step in range(5):
        store.commit(step, payload(step))
    assert good_steps(tmp_path / 'three') == [2, 3, 4]


def test_loaded_state_shares_nothing_with_the_live_one(tmp_path: Path) -> None:
    store = StateStore(tmp_path, IDENTITY)
    live = payload(1)
    store.commit(1, live)
    live['weight'].zero_()
    found = store.latest()
    assert found is not None
    assert found[1]['weight'][0] == 1


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


def test_identity_difference_is_listed(tmp_path: Path) -> None:
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


def test_tuples_in_the_identity_equal_lists(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    identity = {**IDENTITY, 'objectives': ('loss_cls', 'loss_seg')}
    assert StateStore(tmp_path, identity).latest() is not None


def test_old_steps_are_not_committed(tmp_path: Path) -> None:
    filled(tmp_path, 4)
    for step in (1, 4):
        with pytest.raises(StateError, match='step_00000004 exists'):
            filled(tmp_path, step)
    assert good_steps(tmp_path) == [4]


@pytest.mark.parametrize(
    ('identity', 'keep', 'message'),
    [
        (IDENTITY, 1, '`keep` should be at least 2. Found 1.'),
        ({'a': {1, 2}}, 2, '`identity` should hold JSON values only'),
        ({'a': float('nan')}, 2, '`identity` should hold JSON values only'),
    ],
)
def test_bad_arguments(
    tmp_path: Path, identity: dict[str, Any], keep: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        StateStore(tmp_path, identity, keep)


def test_negative_step(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='negative. Found -1'):
        StateStore(tmp_path, IDENTITY).commit(-1, {})


def test_unsuitable_payload_is_refused_before_the_disk_is_touched(
    tmp_path: Path,
) -> None:
    store = filled(tmp_path, 1)
    with pytest.raises(TypeError, match='Found a object, which cannot'):
        store.commit(2, {'a': [object()]})
    assert [path.name for path in tmp_path.iterdir()] == ['step_00000001']
