"""The scripts that start ranks with Slurm, and a Slurm of our own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support import processes
from tests.test_tools import shell
from tests.test_tools.shell import CPU_ONLY, TOOLS

# Starts the tasks on this machine and waits for all of them.
SRUN = """
while [[ $1 == --* ]]; do
    [[ $1 != --ntasks=* ]] || n=${1#*=}
    shift
done
export SLURM_NTASKS=$n SLURM_NODELIST=node1 SLURM_STEP_TASKS_PER_NODE=$n
for ((i = 0; i < n; i++)); do
    SLURM_PROCID=$i SLURM_LOCALID=$i "$@" &
    tasks+=($!)
done
for task in "${tasks[@]}"; do
    wait "$task" || exit 1
done
"""


def fake_slurm(folder: Path, srun: str) -> dict[str, str]:
    """Writes Slurm's commands; returns the environment that finds them."""
    shell.install(folder / 'srun', srun)
    shell.install(folder / 'scontrol', 'echo 127.0.0.1')
    return dict(PATH=f'{folder}:{os.environ["PATH"]}')


@CPU_ONLY
def test_slurm_without_gpus(config: Path, tmp_path: Path) -> None:
    with processes.agent() as rendezvous:
        shell.run(
            'slurm_train.sh',
            *('cpu', 'toy', config, tmp_path, '--cfg-options', 'x=1'),
            **fake_slurm(tmp_path / 'bin', SRUN),
            **rendezvous,
            GPUS_PER_NODE='0',
            NTASKS='2',
        )
    shell.assert_two_ranks_trained(tmp_path / 'epoch_2.pth')


TRAIN = ('slurm_train.sh', 'part', 'job', 'c.py', 'work', '--amp')
TEST = ('slurm_test.sh', 'part', 'job', 'c.py', 'last.pth', '--out', 'o.pkl')


@pytest.mark.parametrize(
    ('call', 'env', 'options', 'arguments'),
    [
        (
            TRAIN,
            {},
            {'--gres=gpu:8', '--ntasks=8', '--ntasks-per-node=8'},
            'train.py c.py --work-dir=work --amp --launcher slurm',
        ),
        (
            TEST,
            dict(GPUS='4', GPUS_PER_NODE='2', SRUN_ARGS='--qos=x --nice'),
            {
                *('--gres=gpu:2', '--ntasks=4', '--ntasks-per-node=2'),
                *('--qos=x', '--nice'),
            },
            'test.py c.py last.pth --out o.pkl --launcher slurm',
        ),
        (
            TRAIN,
            dict(GPUS_PER_NODE='1', NTASKS='3', NTASKS_PER_NODE='3'),
            {'--gres=gpu:1', '--ntasks=3', '--ntasks-per-node=3'},
            'train.py c.py --work-dir=work --amp --launcher slurm',
        ),
        (
            TRAIN,
            dict(GPUS_PER_NODE='0', NTASKS='6', NTASKS_PER_NODE='2'),
            {'--ntasks=6', '--ntasks-per-node=2'},
            'train.py c.py --work-dir=work --amp --launcher slurm',
        ),
        (
            TRAIN,
            dict(GPUS_PER_NODE='0', NTASKS='6'),
            {'--ntasks=6'},
            'train.py c.py --work-dir=work --amp --launcher slurm',
        ),
    ],
)
def test_what_slurm_is_asked_for(
    call: tuple[str, ...],
    env: dict[str, str],
    options: set[str],
    arguments: str,
    tmp_path: Path,
) -> None:
    fake = fake_slurm(tmp_path / 'bin', 'printf "%s\\n" "$@"')
    lines = shell.run(*call, **fake, **env).splitlines()
    start = lines.index(sys.executable)
    assert set(lines[:start]) == options | {
        *('--partition=part', '--job-name=job', '--cpus-per-task=5'),
        '--kill-on-bad-exit=1',
    }
    assert ' '.join(lines[start + 2 :]) == f'{TOOLS}/{arguments}'


@pytest.mark.parametrize(
    ('job', 'options'),
    [
        (
            dict(SLURM_NTASKS='4', SLURM_CPUS_PER_TASK='2'),
            {'--ntasks=4', '--cpus-per-task=2'},
        ),
        ({}, {'--cpus-per-task=1'}),
        (
            dict(SLURM_NTASKS='4', GPUS='2', GPUS_PER_NODE='1'),
            {
                *('--ntasks=2', '--cpus-per-task=1', '--gres=gpu:1'),
                '--ntasks-per-node=1',
            },
        ),
    ],
)
def test_inside_a_job_its_tasks_are_the_default(
    job: dict[str, str], options: set[str], tmp_path: Path
) -> None:
    fake = fake_slurm(tmp_path / 'bin', 'printf "%s\\n" "$@"')
    lines = shell.run(*TRAIN, **fake, **job, SLURM_JOB_ID='7').splitlines()
    assert set(lines[: lines.index(sys.executable)]) == options | {
        *('--partition=part', '--job-name=job', '--kill-on-bad-exit=1')
    }
