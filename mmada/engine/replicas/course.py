"""Where a replica is in its training, as hooks, heads and data see it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from mmada.engine.mmengine_adapters import set_progress
from mmada.engine.replicas.dataset_state import DatasetState
from mmada.engine.replicas.plain_state import PlainState
from mmada.engine.replicas.replica_hooks import InReplicas, ReplicaHooks
from mmada.engine.replicas.segment import SegmentEvents
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.models import inner_model

_COUNTERS = ('epoch', 'iter', 'max_epochs', 'max_iters')
_INFO = (*_COUNTERS, 'loop_stage')


class Course(SegmentEvents):
    """Sets the counters of runner and MessageHub, and calls the hooks.

    Only inside :meth:`at`, after which all counters are as before. A
    segment may begin and end amid an epoch.

    Args:
        runner: Its training loop counts in `_iter` and `_epoch`.
        loader: Batches of the segments.

    Attributes:
        attributes: What a segment changes of model and hooks besides
            parameters and buffers, as it is now.
    """

    def __init__(self, runner: Any, loader: SegmentLoader) -> None:
        self._runner = runner
        self._loader = loader
        self._hooks = ReplicaHooks(runner)
        self._dataset = DatasetState(loader.template.dataset)
        info = dict(message_hub=runner.message_hub.runtime_info)
        self.attributes = PlainState(
            inner_model(runner.model),
            info | self._hooks.named(InReplicas.STATEFUL),
            self._hooks.named(InReplicas.RESUMED),
        )
        self._in_epoch = False

    @property
    def hook_names(self) -> list[str]:
        """The classes of the hooks that act on replicas, in order."""
        return self._hooks.acting

    @contextlib.contextmanager
    def at(self, first_iter: int) -> Iterator[None]:
        """Let a segment begin after so many iterations of its training."""
        loop, info = self._runner.train_loop, self._runner.message_hub
        kept = loop.epoch, loop.iter, loop.dataloader
        before = {key: info.runtime_info.get(key) for key in _INFO}
        try:
            self._dataset.reset()
            loop.dataloader = self._loader.template  # that hooks change
            self._begin(first_iter)
            yield
        finally:
            self._dataset.reset()  # may be that of the training
            set_progress(loop, *kept[:2])
            loop.dataloader = kept[2]
            for key, value in before.items():
                info.runtime_info.pop(key, None)
                if value is not None:
                    info.update_info(key, value)

    @contextlib.contextmanager
    def look(self, iteration: int) -> Iterator[None]:
        """Let losses be looked at as they are at an iteration.

        Attributes of model and hooks are put back.
        """
        with self.attributes.preserved(), self.at(iteration):
            self.before_batches(iteration)
            yield

    def before_train(self) -> None:
        """Call `before_train` of the hooks that act."""
        self._hooks.call('before_train')

    def before_batches(self, iteration: int) -> None:
        """Begin an epoch; go on in one that a segment before began."""
        if self._in_epoch:
            return
        self._in_epoch = True
        self._inform('epoch')
        first = iteration % self._loader.epoch_length == 0
        self._hooks.call(
            'before_train_epoch', only=None if first else InReplicas.RESUMED
        )

    def before_iteration(self, iteration: int, batch: Any) -> None:
        """Begin an iteration, and an epoch where it is the first of one."""
        self.before_batches(iteration)
        self._inform('iter')
        self._hooks.call(
            'before_train_iter',
            batch_idx=iteration % self._loader.epoch_length,
            data_batch=batch,
        )

    def after_iteration(
        self, iteration: int, batch: Any, outputs: dict[str, Any]
    ) -> None:
        """End an iteration, and an epoch where it is the last of one."""
        loop, length = self._runner.train_loop, self._loader.epoch_length
        self._hooks.call(
            'after_train_iter',
            batch_idx=iteration % length,
            data_batch=batch,
            outputs=outputs,
        )
        set_progress(loop, iteration // length, iteration + 1)
        if (iteration + 1) % length == 0:
            self._hooks.call('after_train_epoch')
            set_progress(loop, iteration // length + 1, iteration + 1)
            self._in_epoch = False

    @contextlib.contextmanager
    def validation(self) -> Iterator[dict[str, float]]:
        """Call the hooks around a validation, which fills in its metrics."""
        metrics: dict[str, float] = {}
        self._hooks.call('before_val_epoch')
        yield metrics
        self._hooks.call('after_val_epoch', metrics=metrics)

    def _begin(self, first_iter: int) -> None:
        self._in_epoch = False
        loop = self._runner.train_loop
        if first_iter != loop.iter:  # a loop by iterations stays in epoch 0
            epoch = first_iter // self._loader.epoch_length
            set_progress(loop, epoch, first_iter)
        self._inform(*_COUNTERS)
        self._runner.message_hub.update_info('loop_stage', 'train')

    def _inform(self, *names: str) -> None:
        """Set what heads ask MessageHub for."""
        for name in names:
            value = getattr(self._runner, name)
            self._runner.message_hub.update_info(name, value)
