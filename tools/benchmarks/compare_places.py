"""Where the jobs of the comparison leave what."""

from __future__ import annotations

from pathlib import Path

EXPLORED, WEIGHTS = 'explored.pth', 'weights.jsonl'  # of mmada
COUNTS = 'test_counts.npz'
NOTED = 'cost.json'
STATE = 'state.pth'


def job_folder(work_dir: Path, key: str) -> Path:
    """Returns the work directory of a job's run."""
    return work_dir / 'jobs' / key


def log_file(work_dir: Path, key: str) -> Path:
    """Returns where a job's output goes."""
    return work_dir / 'logs' / f'{key}.txt'
