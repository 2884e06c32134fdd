"""What the benchmarks share: clocks, ratios, and where figures come from."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.device import get_device

import mmada

ROOT = Path(__file__).resolve().parents[3]


def synchronize() -> None:
    """Wait for the accelerator, if there is one."""
    if get_device() == 'cuda':
        torch.cuda.synchronize()


def wall() -> float:
    """Return seconds of the clock on the wall."""
    synchronize()
    return time.perf_counter()


def busy() -> float:
    """Return seconds of work.

    On the CPU that is the processor time of this process, which others on
    the machine hardly disturb; an accelerator's work shows on the wall only.
    """
    return time.process_time() if get_device() == 'cpu' else wall()


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, method='inclusive')
    return low, middle, high


def show_ratio(
    name: str,
    above: Sequence[float],
    below: Sequence[float],
    goal: str = 'no goal',
) -> float:
    """Print the median of paired ratios with their quartiles.

    Args:
        name: What is divided by what.
        above: One figure a repetition.
        below: What each is divided by.
        goal: What the ratio should be.

    Returns:
        The median.
    """
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    low, middle, high = quartiles(ratios)
    print(
        f'ratio {middle:.4f} (quartiles {low:.4f} to {high:.4f}, '
        f'{len(ratios)} pairs; {goal}) {name}',
        flush=True,
    )
    return middle


def show_surroundings(question: str) -> None:
    """Print what is measured, on what, and with which versions."""
    print(question)
    device = get_device()
    if device == 'cuda':
        device = torch.cuda.get_device_name()
    print(
        f'commit {_commit()}, mmada {mmada.__version__}, torch '
        f'{torch.__version__}, device {device}, '
        f'{torch.get_num_threads()} thread(s), {os.cpu_count()} cores',
        flush=True,
    )


def parser(description: str | None, repeats: int) -> argparse.ArgumentParser:
    """Return a parser of the options that all benchmarks have."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument(
        '--quick',
        action='store_true',
        help='shortest form, to see that it runs; its figures mean nothing',
    )
    found.add_argument('--repeats', type=int, default=repeats)
    return found


def _commit() -> str:
    command = ['git', 'describe', '--always', '--dirty']
    try:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
