"""Where the jobs of the comparison leave what, and the file of results.

One JSON line a job, appended by the parent process alone.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from mmada.utils.run_files import (
    EXPLORATION_DIR,
    HISTORY_FILE,
    POLICY_FILE,
    WEIGHTS_FILE,
)

RESULTS = 'results.jsonl'
COUNTS = 'test_counts.npz'
REWARD_COUNTS = 'reward_counts.npz'
DRAWN = 'test_draws.npz'
REWARD_DRAWN = 'reward_draws.npz'
MAPS = 'test_maps.npz'
NOTED = 'cost.json'
STATE = 'state.pth'
HISTORY = f'{EXPLORATION_DIR}/{HISTORY_FILE}'
KEPT = (
    COUNTS,
    REWARD_COUNTS,
    DRAWN,
    REWARD_DRAWN,
    MAPS,
    POLICY_FILE,
    WEIGHTS_FILE,
    HISTORY,
)

Record = dict[str, Any]


class Results:
    """Records of jobs, of which the last one of a key counts.

    Args:
        path: The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Record) -> None:
        """Add a line, on the disk when this returns."""
        line = json.dumps(record) + '\n'
        with self.path.open('a+b') as file:
            if _is_cut_off(file):
                line = '\n' + line
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> dict[str, Record]:
        """Return the records by key; a line that was cut off is left out."""
        records: dict[str, Record] = {}
        if not self.path.exists():
            return records
        for line in self.path.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            records.pop(record['key'], None)
            records[record['key']] = record
        return records

    def done(self) -> set[str]:
        """Return the keys of the jobs that succeeded."""
        return {k for k, r in self.read().items() if not r['error']}


def keep(work_dir: Path, target: Path) -> None:
    """Copy what tables are made from, and what other jobs need of a job.

    Args:
        work_dir: Directory of the benchmark.
        target: Becomes one, without models and logs. Results that it has
            already stay, but for those of the same jobs.
    """
    target.mkdir(parents=True, exist_ok=True)
    kept = Results(target / RESULTS)
    known = kept.read()
    for key, record in Results(work_dir / RESULTS).read().items():
        if record['error'] or known.get(key) == record:
            continue
        folder = job_folder(target, key)
        for name in KEPT:
            file = job_folder(work_dir, key) / name
            if file.exists():
                copy = folder / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, copy)
        kept.append(record)


def _is_cut_off(file: Any) -> bool:
    """Return whether a kill left half a line."""
    if not file.tell():
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b'\n'


def job_folder(work_dir: Path, key: str) -> Path:
    """Return the work directory of a job's run."""
    return work_dir / 'jobs' / key


def log_file(work_dir: Path, key: str) -> Path:
    """Return where a job's output goes."""
    return work_dir / 'logs' / f'{key}.txt'
