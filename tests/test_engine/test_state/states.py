"""States on disk for the tests of the engine."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from mmada.engine.state.store import StateStore

IDENTITY = {'m': 4, 'objectives': ['loss_cls', 'loss_seg'], 'seed': {'a': 1}}


def payload(step: int) -> dict[str, Any]:
    return {'step': step, 'weight': torch.full((1000,), float(step))}


def filled(root: Path, *steps: int) -> StateStore:
    store = StateStore(root, IDENTITY)
    for step in steps:
        store.commit(step, payload(step))
    return store


def reopened(root: Path) -> StateStore:
    return StateStore(root, IDENTITY)


def good_steps(root: Path) -> list[int]:
    """Verify by the format's description alone, without the store."""
    good = []
    for path in root.glob('step_*'):
        manifest = json.loads((path / 'MANIFEST.json').read_text())
        data = (path / 'state.pt').read_bytes()
        if hashlib.sha256(data).hexdigest() == manifest['sha256']:
            good.append(manifest['step'])
    return sorted(good)


def in_child(action: Callable[[], Any]) -> BaseProcess:
    """Start ``action`` in a forked child, so that it may be killed."""
    child = multiprocessing.get_context('fork').Process(target=action)
    child.start()
    return child


def killed_at(
    site: str, action: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('MMADA_FAILPOINT', site)
    child = in_child(action)
    child.join(60)
    monkeypatch.delenv('MMADA_FAILPOINT')
    assert child.exitcode == -signal.SIGKILL
