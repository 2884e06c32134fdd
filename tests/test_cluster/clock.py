"""A hook that notes when each round of a search ends."""

from __future__ import annotations

import time
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class RoundClockHook(Hook):
    """Writes the times to `clock.txt`."""

    def after_exploration_round(self, runner, record):
        if runner.rank == 0:
            with (Path(runner.work_dir) / 'clock.txt').open('a') as file:
                file.write(f'{time.monotonic()}\n')


def seconds_a_round(work_dir: Path) -> float:
    """Returns the mean time of a round but the first."""
    lines = (work_dir / 'clock.txt').read_text().split()
    return (float(lines[-1]) - float(lines[0])) / (len(lines) - 1)
