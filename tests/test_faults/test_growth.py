"""A long exploration grows by its history alone; a small stack is enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.test_faults import children

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, EARLY, LATE = 200, 20, 199  # seen after a round's publication


@pytest.fixture(scope='module')
def usage(tmp_path_factory):
    """What a process used after each of 200 rounds."""
    work_dir = tmp_path_factory.mktemp('long')
    children.run(work_dir, watched=True, num_rounds=ROUNDS, timeout=900)
    lines = (work_dir / 'usage.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.faults
def test_200_rounds_leave_no_file_open_and_no_thread(usage):
    assert len(usage) == ROUNDS
    for key in ('files', 'threads', 'children'):
        late = max(row[key] for row in usage[EARLY:])
        assert late == usage[EARLY][key], key


@pytest.mark.faults
def test_memory_does_not_grow_in_200_rounds(usage):
    """Beyond the record and the policy of each round."""
    early, late = usage[EARLY], usage[LATE]
    assert late['memory'] < 1.05 * early['memory']
    assert late['objects'] - early['objects'] < 100 * (LATE - EARLY)


@pytest.mark.faults
def test_a_state_grows_by_a_record_and_a_policy_a_round(usage):
    half = (EARLY + LATE) // 2
    early, middle, late = (usage[i]['state'] for i in (EARLY, half, LATE))
    assert 0 < late - middle < 1.1 * (middle - early)
    assert late - middle < 8192 * (LATE - half)
    assert all(row['states'] == 2 for row in usage)


@pytest.mark.faults
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_memory_of_an_accelerator_does_not_grow(tmp_path):
    used = []
    for rounds in (2, 20):
        torch.cuda.reset_peak_memory_stats()
        children.explore(tmp_path / str(rounds), num_rounds=rounds)
        used.append(torch.cuda.max_memory_allocated())
    assert used[1] <= used[0] * 1.02


def test_explores_without_panopticapi_and_without_a_gpu(tmp_path):
    script = (
        'import sys\n'
        "sys.modules['panopticapi'] = None  # its import fails\n"
        'from tests.test_faults import children\n'
        'import mmada.evaluation\n'
        'import torch\n'
        'assert not torch.cuda.is_available()\n'
        'children.explore(sys.argv[1], num_rounds=1)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', script, tmp_path],
        env=dict(os.environ, PYTHONPATH=str(ROOT), CUDA_VISIBLE_DEVICES=''),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(children.history(tmp_path).splitlines()) == 1
