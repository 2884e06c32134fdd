"""A manifest says whose state it is, and whether it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmada.engine.state.manifest import StateError, schema_difference
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
    with pytest.raises(StateError, match='has format 2, this .* format 1'):
        reopened(tmp_path).latest()


def test_schema_difference() -> None:
    new = {'m': 4, 'objectives': ['loss_cls'], 'seed': {}, 'extra': None}
    assert schema_difference(SCHEMA, SCHEMA) == []
    assert schema_difference(SCHEMA, new) == [
        'extra: stored (absent), this run null',
        'objectives: stored ["loss_cls", "loss_seg"], this run ["loss_cls"]',
        'seed: stored (absent), this run {}',
        'seed.a: stored 1, this run (absent)',
    ]
