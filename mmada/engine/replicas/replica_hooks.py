"""Hooks of a run that act on the replicas of a search.

Most hooks watch a training: they log, save or draw, and none of that belongs
to a replica that may be thrown away. Others are part of the training, as an
average of the weights or a pipeline that is switched. A hook's class says in
`in_replicas` what it is, see :class:`InReplicas`.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Any

from mmdet.engine import hooks as mmdet_hooks
from mmengine import hooks as mmengine_hooks
from mmengine.hooks import Hook

TRAIN_STAGES = (
    'before_train_epoch',
    'before_train_iter',
    'after_train_iter',
    'after_train_epoch',
)
# A hook may also act on what a validation measures.
_ACTING_STAGES = (*TRAIN_STAGES, 'before_val_epoch')


class InReplicas(Enum):
    """What a hook does in the replicas of a search.

    Attributes:
        STATEFUL: It acts. Its attributes are part of a replica, as far as
            they are plain data or tensors.
        RESUMED: It acts. Each segment begins as a resumed training does:
            with the hook and the dataset as they were at the start, and a
            call of `before_train_epoch` for the epoch that it is in.
        SILENT: It is not called.
    """

    STATEFUL = 'stateful'
    RESUMED = 'resumed'
    SILENT = 'silent'


_ACTING = (InReplicas.STATEFUL, InReplicas.RESUMED)
_KINDS = {
    InReplicas.STATEFUL: (
        mmengine_hooks.EMAHook,
        mmengine_hooks.EmptyCacheHook,
        mmengine_hooks.SyncBuffersHook,
        mmdet_hooks.MeanTeacherHook,
        mmdet_hooks.SetEpochInfoHook,
        mmdet_hooks.SyncNormHook,
    ),
    InReplicas.RESUMED: (
        mmdet_hooks.PipelineSwitchHook,
        mmdet_hooks.YOLOXModeSwitchHook,
    ),
    InReplicas.SILENT: (
        mmengine_hooks.CheckpointHook,
        mmengine_hooks.DistSamplerSeedHook,  # segments have their own order
        mmengine_hooks.EarlyStoppingHook,
        mmengine_hooks.IterTimerHook,
        mmengine_hooks.LoggerHook,
        mmengine_hooks.NaiveVisualizationHook,
        mmengine_hooks.NPUProfilerHook,
        mmengine_hooks.ParamSchedulerHook,  # LiveReplica steps them
        mmengine_hooks.ProfilerHook,
        mmengine_hooks.RuntimeInfoHook,  # Course sets what it sets
        mmdet_hooks.CheckInvalidLossHook,  # such a replica has diverged
        mmdet_hooks.DetVisualizationHook,
        mmdet_hooks.MemoryProfilerHook,
        mmdet_hooks.NumClassCheckHook,
    ),
}


def in_replicas(hook: Hook) -> InReplicas | None:
    """Return what a hook does in replicas; None if nothing says it.

    Raises:
        ValueError: If its class says something else.
    """
    for base in type(hook).__mro__:
        if 'in_replicas' in vars(base):
            return _declared(base)
        for kind, classes in _KINDS.items():
            if base in classes:
                more = kind is InReplicas.SILENT and _acts_beyond(hook, base)
                return None if more else kind
    # There is nothing that could be left out.
    trains = set(_ACTING_STAGES) & set(hook.get_triggered_stages())
    return None if trains else InReplicas.SILENT


def _acts_beyond(hook: Hook, base: type) -> bool:
    """Return whether a hook does more in a training than its base does."""
    return any(
        getattr(type(hook), stage) is not getattr(base, stage)
        for stage in _ACTING_STAGES
    )


def _declared(base: type) -> InReplicas:
    found = vars(base)['in_replicas']
    try:
        return InReplicas(found)
    except ValueError as error:
        names = ', '.join(repr(kind.value) for kind in InReplicas)
        raise ValueError(
            f'`{base.__name__}.in_replicas` should be one of {names}. '
            f'Found {found!r}.'
        ) from error


def check_hooks(runner: Any) -> None:
    """Check that each hook is known to act on replicas, or not to.

    Args:
        runner: About to explore.

    Raises:
        ValueError: Naming the first hook that is not.
    """
    for hook in runner.hooks:
        if in_replicas(hook) is None:
            raise ValueError(
                '`custom_hooks` and `default_hooks` should hold hooks that '
                'say whether they act on the replicas of a search. Found '
                f'{type(hook).__name__}, which does something in a training '
                'and does not say it. Set `in_replicas` in its class: '
                "'silent' if it only watches, 'stateful' if its attributes "
                "are part of a replica, 'resumed' if it acts right after a "
                'resume.'
            )


class ReplicaHooks:
    """The hooks of a run that act on replicas, in the runner's order.

    Args:
        runner: The runner.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._kinds = [(hook, in_replicas(hook)) for hook in runner.hooks]

    @property
    def acting(self) -> list[str]:
        """The classes of the hooks that act, in their order."""
        return [
            type(hook).__name__
            for hook, kind in self._kinds
            if kind in _ACTING
        ]

    def named(self, kind: InReplicas) -> dict[str, Hook]:
        """Return the hooks of a kind by names of their own.

        A resumed run may have other hooks that do not act, so they do not
        count.
        """
        counts: Counter[str] = Counter()
        found: dict[str, Hook] = {}
        for hook, each in self._kinds:
            if each in _ACTING:
                name = type(hook).__name__
                if each is kind:
                    found[f'hook_{name}_{counts[name]}'] = hook
                counts[name] += 1
        return found

    def call(
        self, stage: str, only: InReplicas | None = None, **arguments: Any
    ) -> None:
        """Call the hooks that act, as the runner would.

        Args:
            stage: Name of the method.
            only: Those of a kind alone.
            **arguments: Of the method, beside the runner.
        """
        for hook, kind in self._kinds:
            if kind in _ACTING and only in (None, kind):
                getattr(hook, stage)(self._runner, **arguments)
