"""A manifest says whose state it is, and whether it is whole."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import mmada
from mmada.engine.state.manifest import FORMAT, StateError, schema_difference
from mmada.engine.state.store import StateStore
from tests.test_engine.test_state.states import SCHEMA, filled, reopened


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('"m": 4', '"m": 5'),
        ('"step": 2', '"step": 3'),
        ('"format": 1', '"format": 3'),
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
    monkeypatch.setattr('mmada.engine.state.manifest.FORMAT', 2)
    filled(tmp_path, 1)
    monkeypatch.undo()
    with pytest.raises(StateError, match='has format 2, .* format 1'):
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
    other = StateStore(tmp_path, dict(SCHEMA, state_layout=2))
    rewrite(tmp_path, version)
    with pytest.raises(StateError, match=f'different run; .* {writer}; what'):
        other.latest()

    for root in (tmp_path / 'format', tmp_path / 'content'):
        filled(root, 1)
    rewrite(tmp_path / 'format', version, format=2)
    with pytest.raises(StateError, match=f'has format 2, {writer}; this'):
        reopened(tmp_path / 'format').latest()
    rewrite(tmp_path / 'content', version, data=b'of another torch')
    with pytest.raises(StateError, match=f'{writer}, is intact, but this'):
        reopened(tmp_path / 'content').latest()


def test_schema_difference() -> None:
    new = {'m': 4, 'objectives': ['loss_cls'], 'seed': {}, 'extra': None}
    assert schema_difference(SCHEMA, SCHEMA) == []
    assert schema_difference(SCHEMA, new) == [
        'extra: stored (absent), this run null',
        'objectives: stored ["loss_cls", "loss_seg"], this run ["loss_cls"]',
        'seed: stored (absent), this run {}',
        'seed.a: stored 1, this run (absent)',
    ]
