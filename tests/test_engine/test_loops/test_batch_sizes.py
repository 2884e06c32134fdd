"""The learning rate where a replica's batch is not a training's."""

import json
from pathlib import Path

import pytest

from tests.support import processes

WORKER = Path(__file__).with_name('batch_sizes_worker.py')
LR, BASE = 0.05, 16
REPLICA, RANK = 2, 4  # images


def run(work_dir, world_size, enable):
    options = json.dumps(dict(enable=enable, base_batch_size=BASE))
    processes.run(WORKER, world_size, work_dir, options)
    return json.loads((work_dir / 'found.json').read_text())


@pytest.mark.parametrize('world_size', [1, 2])
def test_each_phase_is_scaled_by_its_own_batch(tmp_path, world_size):
    found = run(tmp_path, world_size, enable=True)
    assert found['exploration'] == pytest.approx(LR * REPLICA / BASE)
    assert found['training'] == pytest.approx(LR * world_size * RANK / BASE)
    if world_size == 2:  # an exploration alone has MMEngine's own scaling
        assert '`auto_scale_lr.enable` is True on 2 ranks' in found['error']
    else:
        assert 'error' not in found
    logs = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'same learning rate' not in logs


def test_two_sizes_at_one_rate_are_warned_of(tmp_path):
    found = run(tmp_path, 2, enable=False)
    assert 'error' not in found
    assert found['exploration'] == found['training'] == LR
    logs = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'on batches of 2' in logs
    assert 'on 8 (2 ranks of 4)' in logs
    assert '`batch_size=8`' in logs
