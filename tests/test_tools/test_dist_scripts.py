"""The scripts that start ranks with torchrun."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.support import processes, scripts
from tests.support.toy import assert_same_state
from tests.test_tools import shell
from tests.test_tools.shell import CPU_ONLY, TOOLS

Run = Callable[..., None]


@pytest.mark.slow
@CPU_ONLY
def test_two_ranks_outlive_a_dead_one(config: Path, tmp_path: Path) -> None:
    """The second attempt ends as a training without a death does."""
    hooks = [dict(type='DieOnceHook'), dict(type='EpochSeedHook')]
    imports = ['mmada', 'tests.support.toy', 'tests.test_tools.die_once']
    config.write_text(
        f'{config.read_text()}custom_hooks = {hooks!r}\n'
        f'custom_imports = dict(imports={imports!r})\n'
        'randomness = dict(seed=7)\n'
    )
    plain, restarted = tmp_path / 'plain', tmp_path / 'restarted'
    command = ('train.py', config, '--work-dir', plain)
    with processes.agent() as rendezvous:
        rendezvous['TORCHELASTIC_RESTART_COUNT'] = (
            '1'  # the one without a death
        )
        processes.run(
            scripts.call, 2, *command, '--launcher', 'pytorch', env=rendezvous
        )
    train = ('dist_train.sh', config, 2, '--work-dir', restarted, '--resume')
    shell.run(*train, MAX_RESTARTS='1')
    attempts = (restarted / 'attempts.txt').read_text()
    assert attempts == '0: epoch 0\n1: epoch 1\n'
    shell.assert_two_ranks_trained(restarted / 'epoch_2.pth')
    assert_same_state(
        *(
            torch.load(d / 'epoch_2.pth', weights_only=False)['state_dict']
            for d in (plain, restarted)
        )
    )


@pytest.mark.slow
@CPU_ONLY
def test_two_ranks_collect_their_predictions(
    run: Run, config: Path, tmp_path: Path
) -> None:
    run(TOOLS / 'train.py', config, '--work-dir', tmp_path)
    out = tmp_path / 'predictions.pkl'
    options = ('--work-dir', tmp_path, '--out', out)
    shell.run('dist_test.sh', config, tmp_path / 'epoch_2.pth', 2, *options)
    assert len(pickle.loads(out.read_bytes())) == 12


@pytest.mark.parametrize(
    ('env', 'expected'),
    [
        ({}, {'--standalone', '--max_restarts=0'}),
        (
            dict(MAX_RESTARTS='3'),
            {'--standalone', '--max_restarts=3', 'unshared store: 1'},
        ),
        (
            dict(PORT='1234'),
            {
                *('--nnodes=1', '--node_rank=0', '--master_addr=127.0.0.1'),
                *('--master_port=1234', '--max_restarts=0'),
            },
        ),
        (
            dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='node0'),
            {
                *('--nnodes=2', '--node_rank=1', '--master_addr=node0'),
                *('--master_port=29500', '--max_restarts=0'),
            },
        ),
        (
            dict(NNODES='2', MASTER_ADDR='node0', MAX_RESTARTS='3'),
            {
                *('--nnodes=2', '--rdzv_backend=c10d', '--max_restarts=3'),
                *('--rdzv_endpoint=node0:29500', '--rdzv_conf=is_host=1'),
                'unshared store: 1',
            },
        ),
        (
            dict(PORT='1234', NNODES='2', NODE_RANK='1', MAX_RESTARTS='3'),
            {
                *('--nnodes=2', '--rdzv_backend=c10d', '--max_restarts=3'),
                *('--rdzv_endpoint=127.0.0.1:1234', 'unshared store: 1'),
                '--rdzv_conf=is_host=0',
            },
        ),
    ],
)
def test_what_torchrun_is_asked_for(
    env: dict[str, str], expected: set[str], tmp_path: Path
) -> None:
    python = shell.install(
        tmp_path / 'python',
        'printf "%s\\n" "$@"\n'
        'echo "unshared store: ${TORCH_DISABLE_SHARE_RDZV_TCP_STORE:-0}"',
    )
    env = dict(env, PYTHON=str(python))
    lines = shell.run('dist_train.sh', 'c.py', 4, '--amp', **env).splitlines()
    start = lines.index(f'{TOOLS}/train.py')
    arguments = ['c.py', '--amp', '--launcher', 'pytorch']
    assert lines[start + 1 : -1] == arguments
    found = {*lines[2:start], lines[-1]} - {'unshared store: 0'}
    assert found == expected | {'--nproc_per_node=4'}


@pytest.mark.parametrize(
    ('script', 'usage'),
    [
        ('dist_train.sh', 'CONFIG RANKS [arguments of train.py]'),
        ('dist_test.sh', 'CONFIG CHECKPOINT RANKS [arguments of test.py]'),
        ('slurm_train.sh', 'PARTITION JOB_NAME CONFIG WORK_DIR'),
        ('slurm_test.sh', 'PARTITION JOB_NAME CONFIG CHECKPOINT'),
    ],
)
def test_shell_scripts_tell_their_usage(script: str, usage: str) -> None:
    done = subprocess.run(
        [str(TOOLS / script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert usage in done.stderr
