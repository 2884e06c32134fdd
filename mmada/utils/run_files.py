"""Names of what a run leaves in its work directory, and where searches are.

A training leaves `weights.jsonl`. A search leaves what it found
(`policy.safetensors`, `curve.json`, `explored.pth`) in the work directory,
and keeps `history.jsonl`, its lock and its states in a directory of its own,
by default `exploration`. The status of a run is `exploration/status.json`.
"""

from __future__ import annotations

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
    whatever the option `directory` of its loop was.

    Args:
        work_dir: Work directory of the run.
    """
    stores = (
        path
        for name in (INITIAL_DIR, STATES_DIR)
        for path in work_dir.rglob(name)
        if any(path.glob('step_*')) or leftovers(path)
    )
    locks = work_dir.rglob(LOCK_FILE)
    return sorted({path.parent for path in (*stores, *locks)})
