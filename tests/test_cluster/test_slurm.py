"""The documented batch script, in a real Slurm.

Each task is on a node of its own, in name: both are this machine.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_cluster import slurm as own_slurm
from tests.test_cluster.conftest import digests, has_begun, write_config
from tests.test_cluster.slurm import Job, Slurm, wait_until
from tests.test_docs.pages import REPO
from tests.test_faults import children
from tests.test_tools.shell import CPU_ONLY

pytestmark = [pytest.mark.cluster, CPU_ONLY]


@pytest.fixture(scope='module')
def slurm() -> Iterator[Slurm]:
    """A Slurm of our own."""
    with own_slurm.started() as found:
        yield found


def batch_script(config: Path, work_dir: Path) -> str:
    """Returns the documented batch script, filled in for two small nodes."""
    script = own_slurm.block('#SBATCH')
    values = {
        '/path/to/mmada': str(REPO),
        'PARTITION': 'main',
        ' CONFIG': f' {config}',
        'WORK_DIR': str(work_dir),
        '--ntasks-per-node=8': '--ntasks-per-node=1',
        'gpu:8': 'gpu:1',
    }
    for name, value in values.items():
        assert name in script
        script = script.replace(name, value)
    return script


def assert_ends_undisturbed(
    job: Job, work_dir: Path, undisturbed: Path
) -> None:
    """Asserts that a job was started twice and found the same.

    What was trained again is at most one wave.
    """
    job.finish(240)
    assert job.entry('Restarts') == '1'
    assert digests(work_dir) == digests(undisturbed), job.output()
    again = {(r, int(k) // 2) for r, k in children.redone(work_dir)}
    assert len(again) <= 1, again


def test_a_requeue_in_mid_round_is_resumed(
    slurm: Slurm, undisturbed: Path, tmp_path: Path
) -> None:
    """Slurm kills the ranks in a second wave; they sleep through SIGTERM.

    The second start is on the same machine, but its name is another.
    """
    faults = [
        dict(kind='wait', seconds=99, round=1, replica=k, at=1) for k in (2, 3)
    ]
    config = write_config(tmp_path, faults=faults)
    job = slurm.submit(batch_script(config, tmp_path), tmp_path)
    wait_until(
        lambda: all(has_begun(tmp_path, 1, k) for k in (2, 3)), 240, job.output
    )
    job.requeue()
    wait_until(lambda: job.entry('JobState') == 'PENDING', 60, job.output)
    lock = tmp_path / 'exploration/run.lock'
    owner = json.loads(lock.read_text())
    lock.write_text(json.dumps(owner | dict(host='elsewhere')))
    assert_ends_undisturbed(job, tmp_path, undisturbed)
    assert children.redone(tmp_path)


def test_sigterm_before_the_time_limit_is_resumed(
    slurm: Slurm, undisturbed: Path, tmp_path: Path
) -> None:
    """The limit is set to so soon that the signal is due at once.

    Slurm looks each half minute what is due. A signal between two waves costs
    nothing.
    """
    restarted = tmp_path / 'restarted'
    slow = dict(kind='slow', seconds=5, path=str(restarted))
    faults = [
        dict(slow, round=r, replica=k, at=i)
        for r in (1, 2)
        for k in range(4)
        for i in (1, 2, 3)
    ]
    config = write_config(tmp_path, faults=faults)
    job = slurm.submit(batch_script(config, tmp_path), tmp_path)
    wait_until(lambda: has_begun(tmp_path, 1, 0), 240, job.output)
    job.end_after(job.minutes() + 2)
    wait_until(lambda: job.entry('Restarts') == '1', 90, job.output)
    restarted.touch()
    job.end_after(60)
    assert_ends_undisturbed(job, tmp_path, undisturbed)
    assert 'Exited with exit code 75' in job.output()


def test_a_checkpoint_is_tested(
    slurm: Slurm, undisturbed: Path, tmp_path: Path
) -> None:
    script = batch_script(write_config(tmp_path), tmp_path)
    options = f'--work-dir {tmp_path} --out {tmp_path}/out.pkl'
    for old, new in (
        ('slurm_train.sh', 'slurm_test.sh'),
        (f'{tmp_path} --resume', f'{undisturbed}/explored.pth {options}'),
    ):
        assert old in script
        script = script.replace(old, new)
    slurm.submit(script, tmp_path).finish(240)
    assert len(pickle.loads((tmp_path / 'out.pkl').read_bytes())) == 12
