"""Checkpoints of an ordinary training that a kill cannot take away."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.registry import HOOKS

from mmada.engine.checkpoints import DURABLE, DurableBackend, write_durably
from mmada.engine.mmengine_adapters import OverridableCheckpointHook
from mmada.utils.files import discard, failpoint, remove_leftovers

_LOCAL = (LocalBackend, DurableBackend)


@HOOKS.register_module()
class DurableCheckpointHook(OverridableCheckpointHook):
    """Saves checkpoints so that at every instant the latest one is whole.

    Options and file names are those of MMEngine's CheckpointHook. That one
    writes files in place and removes old ones first, so a kill or a full
    disk at the wrong moment leaves nothing to resume from, also with
    `max_keep_ckpts=1`. Here each checkpoint and `last_checkpoint` gets its
    name once its bytes are on the disk, and what it replaces is removed
    after that. Where `out_dir` or `backend_args` name storage that is not a
    local directory, everything is as in MMEngine; so are the copies that
    `published_keys` asks for at the very end.
    """

    file_backend: Any
    keep_ckpt_ids: Any
    _durable: bool | None = None  # known once a training begins

    def before_train(self, runner: Any) -> None:
        """Prepare the directory; remove what killed writers left."""
        super().before_train(runner)
        self._durable = type(self.file_backend) in _LOCAL
        if not self._durable:
            return
        self.backend_args = dict(backend=DURABLE)
        self.file_backend = DurableBackend()
        if self.max_keep_ckpts > 0:
            # One more than is kept, until the new one is there.
            self.keep_ckpt_ids = deque(self.keep_ckpt_ids)
        if is_main_process():
            for directory in {str(self.out_dir), runner.work_dir}:
                remove_leftovers(Path(directory))

    def save_step_checkpoint(
        self, runner: Any, step: int, meta: dict[str, Any]
    ) -> None:
        """Save a checkpoint, point to it, then remove the oldest."""
        if not self._durable:
            super().save_step_checkpoint(runner, step, meta)
            return
        name = self.filename_tmpl.format(step)
        self.last_ckpt = os.path.join(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        if self.max_keep_ckpts > 0:
            # The checkpoint names what is there beside it. Killed before
            # the oldest is removed, a resumed run removes it.
            if step not in self.keep_ckpt_ids:
                self.keep_ckpt_ids.append(step)
            self._publish_kept(runner)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        failpoint('checkpoint.before_last')
        if is_main_process():
            write_durably(
                Path(runner.work_dir) / 'last_checkpoint',
                str(self.last_ckpt).encode(),
                'last_checkpoint',
            )
        self._remove_surplus(runner)

    def save_best_checkpoint(
        self, runner: Any, metrics: dict[str, Any]
    ) -> None:
        """Save the model if it is the best, then remove the old best."""
        if self._durable is None:  # a validation alone, of a checkpoint
            return
        if not (self._durable and self.save_best):
            super().save_best_checkpoint(runner, metrics)
            return
        backend = self.file_backend
        self.file_backend = later = _RemovesNothing()
        try:
            super().save_best_checkpoint(runner, metrics)
        finally:
            self.file_backend = backend
        for path in later.doomed - self._best_checkpoints():
            _remove(Path(path))

    def _best_checkpoints(self) -> set[str]:
        if len(self.key_indicators) == 1:
            return {str(self.best_ckpt_path)}
        return {str(path) for path in self.best_ckpt_path_dict.values()}

    def _remove_surplus(self, runner: Any) -> None:
        if self.max_keep_ckpts <= 0:
            return
        while len(self.keep_ckpt_ids) > self.max_keep_ckpts:
            name = self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
            if is_main_process():
                _remove(Path(self.out_dir) / name)
        self._publish_kept(runner)

    def _publish_kept(self, runner: Any) -> None:
        runner.message_hub.update_info(
            'keep_ckpt_ids', list(self.keep_ckpt_ids)
        )


class _RemovesNothing(LocalBackend):
    """Keeps what it should remove, and remembers it."""

    def __init__(self) -> None:
        self.doomed: set[str] = set()

    def remove(self, filepath: str | Path) -> None:
        self.doomed.add(str(filepath))

    def rmtree(self, dir_path: str | Path) -> None:
        self.doomed.add(str(dir_path))


def _remove(path: Path) -> None:
    failpoint('checkpoint.before_delete')
    if path.is_dir():  # as some strategies save them
        discard(path, 'checkpoint.inside_delete')
    else:
        path.unlink(missing_ok=True)
