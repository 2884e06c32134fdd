"""Large parts of a state have files of their own, and are copied whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mmada.engine.state import StateError, StateStore, StoredPart
from mmada.engine.state.payload import DamagedStateError
from mmada.engine.state.state_files import _canonical
from mmada.utils.files import sha256
from tests.test_engine.test_state.states import IDENTITY, reopened


def content(value: float) -> dict[str, Any]:
    return {'weight': torch.full((1000,), value), 'rows': [1, (2, 'a')]}


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    """Has the states 1, of two new parts, and 2, which has taken one over."""
    store = StateStore(tmp_path, IDENTITY)
    store.commit(1, dict(a=1), dict(start=content(1.0), best=content(2.0)))
    store.commit(2, dict(a=2), dict(start=store.parts(1)['best']))
    return store


def part(store: StateStore, step: int, name: str = 'start') -> Path:
    return store.root / f'step_{step:08d}' / f'{name}.pt'


def test_layout(store: StateStore) -> None:
    names = {path.name for path in part(store, 1).parent.iterdir()}
    assert names == {'state.pt', 'start.pt', 'best.pt', 'MANIFEST.json'}
    text = (part(store, 2).parent / 'MANIFEST.json').read_text()
    data = part(store, 2).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    expected = dict(start=dict(size=len(data), sha256=digest))
    assert json.loads(text)['parts'] == expected


def test_a_part_is_taken_over_as_a_copy(store: StateStore) -> None:
    before, after = part(store, 1, 'best'), part(store, 2)
    assert before.read_bytes() == after.read_bytes()
    assert not before.samefile(after)
    (found,) = store.parts(2).values()
    assert found == StoredPart(after, found.size, found.sha256)
    value = found.load()
    assert torch.equal(value['weight'], content(2.0)['weight'])
    assert value['rows'] == [1, (2, 'a')]


def test_a_resume_finds_payload_and_parts(store: StateStore) -> None:
    again = reopened(store.root)
    assert again.latest() == (2, dict(a=2))
    assert again.parts(2) == store.parts(2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


HARM: dict[str, Callable[[Path], Any]] = {
    'bit': flip,
    'truncated': lambda path: path.write_bytes(path.read_bytes()[:-1]),
    'missing': Path.unlink,
}


@pytest.mark.parametrize('harm', HARM.values(), ids=HARM)
def test_a_damaged_part_is_that_of_one_state_alone(
    store: StateStore,
    harm: Callable[[Path], Any],
    warnings_logged: list[str],
) -> None:
    harm(part(store, 2))
    with pytest.raises(DamagedStateError, match=r'step_00000002.*start\.pt'):
        store.parts(2)['start'].load()
    again = reopened(store.root)
    assert again.latest() == (1, dict(a=1))
    assert 'step_00000002' in warnings_logged[0]
    again.parts(1)['best'].verify()


def test_a_part_that_has_changed_is_not_taken_over(store: StateStore) -> None:
    flip(part(store, 2))
    with pytest.raises(StateError, match='has changed since it was written'):
        store.commit(3, dict(a=3), store.parts(2))
    assert not list(store.root.glob('tmp.*'))
    assert not part(store, 3).parent.exists()
    assert reopened(store.root).latest() == (1, dict(a=1))


def test_what_cannot_be_stored_is_refused(store: StateStore) -> None:
    with pytest.raises(TypeError, match='should be a plain tensor'):
        store.commit(3, {}, dict(start=[object()]))
    assert reopened(store.root).latest() == (2, dict(a=2))


@pytest.mark.parametrize(
    'parts',
    [
        [],
        {'start': 5},
        {'start': dict(size='5', sha256='')},
        {'start': dict(size=5)},
        {'../start': dict(size=5, sha256='')},
    ],
)
def test_edited_parts_are_damage(store: StateStore, parts: Any) -> None:
    path = part(store, 2).parent / 'MANIFEST.json'
    fields = json.loads(path.read_text())
    del fields['manifest_sha256']
    fields['parts'] = parts
    fields['manifest_sha256'] = sha256(_canonical(fields))
    path.write_text(json.dumps(fields))
    assert reopened(store.root).latest() == (1, dict(a=1))
