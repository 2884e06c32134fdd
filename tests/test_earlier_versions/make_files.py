"""Makes the files of the present version, for the tests of later ones.

    python -m tests.test_earlier_versions.make_files [FOLDER]

Each case is run twice, once to its end and once until it is killed. FOLDER
of `kept` is the number of the version by default; one that is there already
is left alone. Remove the files of a version only where a change is meant to
give other results, or to refuse its states.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import safetensors.torch
import torch

import mmada
from tests.test_earlier_versions.cases import (
    CALLS,
    CASES,
    CUT,
    ERROR,
    KEPT,
    MADE_WITH,
    WEIGHTS,
    WHOLE,
    Case,
    made_with,
    start,
)

# What a resume reads; logs, locks and status files are of the machine.
NEEDED = (
    'exploration/initial/step_*/*',
    'exploration/states/step_*/*',
    'exploration/history.jsonl',
    'policy.safetensors',
    'weights.jsonl',
    'epoch_*.pth',
    'last_checkpoint',
)


def make(target: Path) -> None:
    """Fills a new folder with the files of all cases."""
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        done = start(folder, list(CASES))
        print(done.stdout)
        assert done.returncode == 0
        for name, case in CASES.items():
            keep_results(folder / name, case, target / name / WHOLE)
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            done = start(folder, [name], MMADA_FAILPOINT=case.killed_at)
            assert done.returncode == -signal.SIGKILL, done.stdout
            keep_needed(folder / name, target / name / CUT)
    text = json.dumps(made_with(), indent=2)
    (target / MADE_WITH).write_text(text + '\n')


def keep_results(work_dir: Path, case: Case, target: Path) -> None:
    """Copies what a whole run found."""
    if (work_dir / ERROR).exists():
        raise RuntimeError((work_dir / ERROR).read_text())
    target.mkdir(parents=True)
    for name in (*case.results, CALLS):
        shutil.copyfile(work_dir / name, target / Path(name).name)
    if case.model:
        weights = torch.load(work_dir / case.model, weights_only=False)
        safetensors.torch.save_file(weights['state_dict'], target / WEIGHTS)


def keep_needed(work_dir: Path, target: Path) -> None:
    """Copies what a resume reads, of all states the newest alone."""
    states = sorted((work_dir / 'exploration/states').glob('step_*'))
    for path in states[:-1]:
        shutil.rmtree(path)
    for pattern in NEEDED:
        for path in work_dir.glob(pattern):
            copy = target / path.relative_to(work_dir)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


if __name__ == '__main__':
    make(KEPT / (sys.argv[1:] or [mmada.__version__])[0])
