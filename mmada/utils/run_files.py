"""Names of what a run leaves in its work directory, and where searches are.

A training leaves `weights.jsonl`. A search leaves what it found
(`policy.safetensors`, `curve.json`, `explored.pth`) in the work directory,
and keeps `history.jsonl`, its lock and its states in a directory of its own,
by default `exploration`. The status of a run is `exploration/status.json`.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmada.utils.files import leftovers

CURVE_FILE = 'curve.json'
EXPLORED_FILE = 'explored.pth'
POLICY_FILE = 'policy.safetensors'
WEIGHTS_FILE = 'weights.jsonl'

EXPLORATION_DIR = 'exploration'
"""Default directory of a search, and always that of the status."""
STATUS_FILE = 'status.json'

HISTORY_FILE = 'history.jsonl'
INITIAL_DIR = 'initial'
"""The start of a search that a training follows, stored like a state."""
LOCK_FILE = 'run.lock'
STATES_DIR = 'states'


def search_directories(work_dir: Path) -> list[Path]:
    """Return the directories of all searches of a run, in order of name.

    These are the directories that a search locked or that hold its states,
    whatever the option `directory` of its loop was. Links are followed. What
    belongs to another run below, which has logs or checkpoints of its own,
    is left out.

    Args:
        work_dir: Work directory of the run.
    """
    found, seen = set(), set()
    for name, folders, files in os.walk(work_dir, followlinks=True):
        path = Path(name)
        status = path.stat()
        inode = status.st_dev, status.st_ino
        if inode in seen or (path != work_dir and _is_run(path, folders)):
            folders.clear()
            continue
        seen.add(inode)
        stores = (path / f for f in (INITIAL_DIR, STATES_DIR) if f in folders)
        if LOCK_FILE in files or any(map(_holds_states, stores)):
            found.add(path)
    return sorted(found)


def holds_run(work_dir: Path) -> bool:
    """Return whether a directory holds logs, checkpoints or records."""
    names = ('*.pth', f'*/{HISTORY_FILE}', WEIGHTS_FILE)
    folders = [path.name for path in work_dir.iterdir() if path.is_dir()]
    return (
        _is_run(work_dir, folders)
        or any(any(work_dir.glob(name)) for name in names)
        or bool(search_directories(work_dir))
    )


def _is_run(path: Path, folders: list[str]) -> bool:
    """Return whether MMEngine has logged or saved in a directory."""
    return (path / 'last_checkpoint').exists() or any(
        (path / folder / 'vis_data').is_dir() for folder in folders
    )


def _holds_states(path: Path) -> bool:
    return any(path.glob('step_*')) or bool(leftovers(path))
