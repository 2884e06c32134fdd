"""Whatever the bytes: a right load or an error of the documented kind."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmada.engine.checkpoints import checkpoint_problem
from mmada.engine.state import StateError
from mmada.engine.state.state_files import _canonical
from mmada.policies.policy_file import (
    PolicyFileError,
    _read_header,
    load_policy,
)
from mmada.utils.files import sha256
from tests.test_engine.test_state.states import filled, payload, reopened
from tests.test_faults.damage import CLOTHING, Payload, damaged, json_values
from tests.test_policies.test_policy_file import (
    DATA,
    ENSEMBLE,
    LATER,
    changed,
    same,
    signed,
)

# torch on pickles of an unusual protocol, before it refuses them
pytestmark = pytest.mark.filterwarnings('ignore:Detected pickle protocol')

# Cases of each test: a hundred in all, and over two thousand.
many = pytest.mark.parametrize(
    'cases', [12, pytest.param(250, marks=pytest.mark.faults)]
)
HEADER = _read_header(DATA)
TENSORS = safetensors.torch.load(DATA)


def fuzz(cases: int, **strategies: st.SearchStrategy) -> Callable:
    """Calls a function at once with that many generated arguments."""

    def run(check: Callable[..., None]) -> None:
        configured = settings(
            max_examples=cases,
            deadline=None,
            derandomize=True,
            database=None,
        )
        configured(given(**strategies)(check))()

    return run


def weights_are_usable(path: Path) -> None:
    """What was signed on purpose may load, but only as a policy."""
    try:
        loaded = load_policy(path)
    except PolicyFileError:
        return
    weights = loaded.weights(1, 3, LATER)
    assert weights.isfinite().all() and (weights > 0).all()


@many
def test_row_5_damaged_policy_file(tmp_path: Path, cases: int) -> None:
    path = tmp_path / 'p'

    @fuzz(cases, data=damaged(DATA))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            loaded = load_policy(path)
        except PolicyFileError as error:
            assert str(path) in str(error)
        else:
            assert same(loaded, ENSEMBLE)


@many
def test_row_8_edited_metadata_of_a_policy(tmp_path: Path, cases: int) -> None:
    path = tmp_path / 'p'

    @fuzz(cases, name=st.sampled_from(sorted(HEADER)), value=json_values)
    def check(name: str, value: Any) -> None:
        text = json.dumps(HEADER | {name: value})
        path.write_bytes(
            safetensors.torch.save(TENSORS, {'mmada_policy': text})
        )
        try:
            loaded = load_policy(path)
        except PolicyFileError as error:
            assert str(path) in str(error)
        else:
            assert same(loaded, ENSEMBLE)


@many
def test_row_8_edited_and_signed_metadata_of_a_policy(
    tmp_path: Path, cases: int
) -> None:
    path = tmp_path / 'p'

    @fuzz(
        cases,
        name=st.sampled_from(sorted(HEADER)),
        key=st.none() | st.sampled_from(sorted(HEADER['policy'])),
        value=json_values,
    )
    def check(name: str, key: str | None, value: Any) -> None:
        change = {name: value}
        if key is not None:
            change = dict(policy=HEADER['policy'] | {key: value})
        try:
            path.write_bytes(signed(HEADER | change, TENSORS))
        except ValueError:  # NaN cannot be signed
            return
        weights_are_usable(path)


@many
def test_row_8_edited_and_signed_tensors_of_a_policy(
    tmp_path: Path, cases: int
) -> None:
    path = tmp_path / 'p'
    kinds = [torch.float64, torch.float64, torch.float32, torch.int64]

    @fuzz(
        cases,
        name=st.sampled_from([*TENSORS, 'more']),
        shape=st.none() | st.lists(st.integers(0, 5), max_size=3),
        kind=st.sampled_from(kinds),
        value=st.floats(width=32) | st.sampled_from([1e300, -1e-300]),
    )
    def check(name: str, shape: Any, kind: torch.dtype, value: float) -> None:
        if kind != torch.float64 and not abs(value) < 2**31:
            value = 7
        if shape is None:
            shape = TENSORS.get(name, torch.zeros(3)).shape
        tensor = torch.full(tuple(shape), value, dtype=kind)
        path.write_bytes(changed(tensors={name: tensor}))
        weights_are_usable(path)


@many
def test_row_7_pickles_as_a_policy(tmp_path: Path, cases: int) -> None:
    sentinel, path = tmp_path / 'ran', tmp_path / 'p'
    hostile = [make(Payload(sentinel)) for make in CLOTHING.values()]

    @fuzz(
        cases,
        data=st.sampled_from(hostile).flatmap(
            lambda data: damaged(data) | st.just(data)
        ),
        place=st.none() | st.integers(0, len(DATA)),
    )
    def check(data: bytes, place: int | None) -> None:
        if place is not None:
            data = DATA[:place] + data + DATA[place:]
        path.write_bytes(data)
        try:
            loaded = load_policy(path)
        except PolicyFileError as error:
            assert str(path) in str(error)
        else:  # nothing of the pickle was left
            assert same(loaded, ENSEMBLE)
        assert not sentinel.exists()


@pytest.fixture
def states(tmp_path: Path) -> Path:
    """A directory with the states 1 and 2."""
    root = tmp_path / 'states'
    filled(root, 1, 2)
    return root


def falls_back_or_is_right(root: Path, *allowed: type) -> None:
    """Loads state 2 or 1 as it was stored, or raises what is allowed."""
    try:
        found = reopened(root).latest()
    except allowed:
        return
    assert found is not None
    assert torch.equal(found[1]['weight'], payload(found[0])['weight'])
    assert found[1]['step'] == found[0]


@many
@pytest.mark.parametrize('name', ['state.pt', 'MANIFEST.json'])
def test_row_5_damaged_state(states: Path, cases: int, name: str) -> None:
    path = states / 'step_00000002' / name

    @fuzz(cases, data=damaged(path.read_bytes()))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        falls_back_or_is_right(states)


@many
def test_row_6_edited_and_signed_manifest(states: Path, cases: int) -> None:
    path = states / 'step_00000002/MANIFEST.json'
    manifest = json.loads(path.read_bytes())
    del manifest['manifest_sha256']

    @fuzz(
        cases,
        name=st.sampled_from([*manifest, 'more']),
        value=json_values,
        remove=st.booleans(),
    )
    def check(name: str, value: Any, remove: bool) -> None:
        fields = {**manifest, name: value}
        if remove:
            del fields[name]
        fields['manifest_sha256'] = sha256(_canonical(fields))
        path.write_text(json.dumps(fields))
        falls_back_or_is_right(states, StateError)


def sign(directory: Path, data: bytes) -> None:
    """Stores a state's bytes with a manifest that fits them."""
    path = directory / 'MANIFEST.json'
    fields = json.loads(path.read_bytes())
    fields |= dict(size=len(data), sha256=sha256(data))
    del fields['manifest_sha256']
    fields['manifest_sha256'] = sha256(_canonical(fields))
    path.write_text(json.dumps(fields))
    (directory / 'state.pt').write_bytes(data)


@many
def test_row_7_signed_pickles_as_a_state(
    tmp_path: Path, states: Path, cases: int
) -> None:
    sentinel = tmp_path / 'ran'
    hostile = [make(Payload(sentinel)) for make in CLOTHING.values()]
    hostile += [pickle.dumps([1, {'a': b''}]), b'']

    @fuzz(
        cases,
        data=st.sampled_from(hostile).flatmap(
            lambda data: (
                st.just(data)
                | st.integers(0, len(data)).map(lambda end: data[:end])
            )
        ),
    )
    def check(data: bytes) -> None:
        sign(states / 'step_00000002', data)
        with pytest.raises(StateError):
            reopened(states).latest()
        assert not sentinel.exists()


@many
def test_row_5_damaged_checkpoint(tmp_path: Path, cases: int) -> None:
    path = tmp_path / 'epoch_1.pth'
    good = dict(a=torch.arange(300.0), meta=dict(epoch=1, text='x' * 50))
    torch.save(good, path)

    @fuzz(cases, data=damaged(path.read_bytes()))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        if checkpoint_problem(path) is None:
            loaded = torch.load(path, weights_only=True)
            assert torch.equal(loaded['a'], good['a'])
            assert loaded['meta'] == good['meta']


def test_row_7_these_pickles_would_run(tmp_path: Path) -> None:
    """Otherwise the tests above could not fail."""
    for name, make in CLOTHING.items():
        sentinel = tmp_path / name
        data = make(Payload(sentinel))
        (tmp_path / 'file').write_bytes(data)
        if name in ('policy.pth', 'policy.pt'):
            torch.load(tmp_path / 'file', weights_only=False)
        elif name == 'policy.npz':
            np.load(tmp_path / 'file', allow_pickle=True)['policy']
        else:
            pickle.loads(data[8:] if name.endswith('tensors') else data)
        assert sentinel.exists(), name
        sentinel.unlink()


@pytest.mark.parametrize('depth', [900, 3000, 200_000])
def test_deeply_nested_manifest(states: Path, depth: int) -> None:
    path = states / 'step_00000002/MANIFEST.json'
    path.write_text('{"schema": ' + '{"a":' * depth + '1' + '}' * depth + '}')
    falls_back_or_is_right(states)
    shutil.rmtree(path.parent)
    falls_back_or_is_right(states)
