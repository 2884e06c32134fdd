"""A small search as a config file, and what an undisturbed one finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import processes, scripts, toy


def write_config(folder: Path, **options: Any) -> Path:
    """Writes the config of a search: 3 rounds of 4 replicas.

    Args:
        folder: Where to.
        **options: Of the loop.
    """
    modules = [
        *('mmada', 'tests.support.toy', 'tests.test_faults.faulty_loop'),
        'tests.test_cluster.clock',
    ]
    content = dict(
        custom_imports=dict(imports=modules),
        default_scope='mmengine',
        model=toy.MODEL,
        optim_wrapper=toy.OPTIM_WRAPPER,
        train_dataloader=toy.dataloader(),
        train_cfg=dict(toy.exploration(), type='FaultyLoop', **options),
        test_dataloader=toy.dataloader(offset=1, shuffle=False),
        test_evaluator=dict(type='ToyMetric'),
        test_cfg=dict(type='TestLoop'),
        randomness=dict(seed=7),
        log_level='WARNING',
        custom_hooks=[dict(type='RoundClockHook')],
        experiment_name='cluster',
    )
    path = folder / 'config.py'
    path.write_text(''.join(f'{k} = {v!r}\n' for k, v in content.items()))
    return path


def digests(work_dir: Path) -> list[str]:
    """Returns the fingerprints of all rounds of a search."""
    history = work_dir / 'exploration/history.jsonl'
    return [json.loads(r)['digest'] for r in history.read_text().splitlines()]


def has_begun(work_dir: Path, round_number: int, replica: int) -> bool:
    """Returns whether a replica has done an iteration; both from 0."""
    path = work_dir / 'iterations.txt'
    done = path.read_text() if path.exists() else ''
    return f'\n{round_number} {replica} 1\n' in done


@pytest.fixture(scope='session')
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work directory of a search by one process."""
    folder = tmp_path_factory.mktemp('undisturbed')
    command = ('train.py', write_config(folder), '--work-dir', folder)
    processes.run(scripts.call, 1, *command)
    assert len(digests(folder)) == 3
    return folder
