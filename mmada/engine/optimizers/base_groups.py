"""Parameter groups as the base constructor made them, for hooks that set them.

The head rule needs a group for each parameter. A hook that sets learning rates
itself may know groups by their position, as that of YOLOv5 takes the third one
for that of the biases.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.optim import OptimWrapper

STAGES = (
    'before_train',
    'before_train_epoch',
    'before_train_iter',
    'after_train_iter',
    'after_train_epoch',
)
_SHOWN = 'sees_whole_groups'


@contextlib.contextmanager
def whole_groups(optim_wrapper: OptimWrapper) -> Iterator[None]:
    """Show the optimizer with the groups that the base constructor made.

    What is set in one of them is set in the groups of its parameters.

    Args:
        optim_wrapper: Built by HeadRuleOptimWrapperConstructor.
    """
    optimizer = optim_wrapper.optimizer
    divided = optimizer.param_groups
    rest = iter(divided)
    parts = [
        list(itertools.islice(rest, size))
        for size in optim_wrapper.base_group_sizes
    ]
    # One without parameters still counts in the positions.
    before = [dict(m[0] if m else optimizer.defaults) for m in parts]
    whole = [
        {**first, 'params': [p for each in members for p in each['params']]}
        for first, members in zip(before, parts, strict=True)
    ]
    optimizer.param_groups = whole
    try:
        yield
    finally:
        optimizer.param_groups = divided
        for old, new, members in zip(before, whole, parts, strict=True):
            _copy_changes(old, new, members)


def _copy_changes(
    old: dict[str, Any], new: dict[str, Any], members: list[dict[str, Any]]
) -> None:
    """Give the parts of a group the options that were set in the whole.

    As plain numbers, since they are part of a replica's stored state.
    """
    changed = {
        key: value.item() if isinstance(value, np.generic) else value
        for key, value in new.items()
        if key != 'params' and (key not in old or old[key] != value)
    }
    for member in members:
        member.update(changed)


def show_whole_groups(hooks: Iterable[Hook]) -> None:
    """Let hooks in the place of ParamSchedulerHook see the base groups.

    They get a class derived from their own, since attributes of a hook may be
    part of a replica's state.

    Args:
        hooks: Of a runner, changed in place.
    """
    for hook in hooks:
        kind: Any = type(hook)  # mypy takes a class for not hashable
        if not issubclass(kind, ParamSchedulerHook):
            continue
        if kind is not ParamSchedulerHook and not hasattr(kind, _SHOWN):
            hook.__class__ = _seeing_whole_groups(kind)


@functools.cache
def _seeing_whole_groups(kind: Any) -> Any:
    stages = {
        stage: _with_whole_groups(getattr(kind, stage)) for stage in STAGES
    }
    return types.new_class(
        kind.__name__,
        (kind,),
        exec_body=lambda names: names.update(
            stages, __module__=kind.__module__, **{_SHOWN: True}
        ),
    )


def _with_whole_groups(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapped(hook: Hook, runner: Any, *args: Any, **options: Any) -> Any:
        if not hasattr(runner.optim_wrapper, 'base_group_sizes'):
            return call(hook, runner, *args, **options)
        with whole_groups(runner.optim_wrapper):
            return call(hook, runner, *args, **options)

    return wrapped
