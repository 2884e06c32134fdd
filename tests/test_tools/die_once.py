"""A hook that kills rank 1 in the first attempt of a training."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class DieOnceHook(Hook):
    """Dies before the second epoch; notes where each attempt starts."""

    attempt = os.environ.get('TORCHELASTIC_RESTART_COUNT')

    def before_train(self, runner):
        if runner.rank == 0:
            with (Path(runner.work_dir) / 'attempts.txt').open('a') as file:
                file.write(f'{self.attempt}: epoch {runner.epoch}\n')

    def before_train_epoch(self, runner):
        if (self.attempt, runner.rank, runner.epoch) == ('0', 1, 1):
            os.kill(os.getpid(), signal.SIGKILL)
