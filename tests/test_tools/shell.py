"""Runs the shell scripts of the tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.device import get_device

REPO = Path(__file__).resolve().parents[2]
TOOLS = REPO / 'tools'

# What a user may set for the shell scripts.
CHOICES = {
    *('NNODES', 'NODE_RANK', 'MASTER_ADDR', 'PORT', 'MAX_RESTARTS'),
    *('GPUS', 'GPUS_PER_NODE', 'CPUS_PER_TASK', 'SRUN_ARGS'),
    *('NTASKS', 'NTASKS_PER_NODE'),
    *('SLURM_JOB_ID', 'SLURM_NTASKS', 'SLURM_CPUS_PER_TASK'),
}

CPU_ONLY = pytest.mark.skipif(
    get_device() != 'cpu', reason='without GPUs, ranks meet through gloo'
)


def run(script: str, *arguments: object, **env: str) -> str:
    """Runs a shell script of the tools to a good end; returns its output."""
    inherited = {k: v for k, v in os.environ.items() if k not in CHOICES}
    default = dict(inherited, PYTHON=sys.executable, PYTHONPATH=str(REPO))
    done = subprocess.run(
        [str(TOOLS / script), *map(str, arguments)],
        env={**default, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def install(path: Path, body: str) -> Path:
    """Writes an executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/usr/bin/env bash\n{body}\n')
    path.chmod(0o755)
    return path


def assert_two_ranks_trained(checkpoint: Path) -> None:
    """Of 12 rows each rank sees 6 an epoch, in batches of 4: 2 iterations."""
    meta = torch.load(checkpoint, weights_only=False)['meta']
    assert (meta['epoch'], meta['iter']) == (2, 4)
