"""Parameter groups as the base constructor made them, for hooks that set them.

The head rule needs a group for each parameter. A hook that sets learning rates
itself may know groups by their position, as that of YOLOv5 takes the third one
for that of the biases.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.optim import OptimWrapper

STAGES = (
    'before_train',
    'before_train_epoch',
    'before_train_iter',
    'after_train_iter',
    'after_train_epoch',
)


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
    """Give the parts of a group the options that were set in the whole."""
    changed = {
        key: value
        for key, value in new.items()
        if key != 'params' and (key not in old or old[key] != value)
    }
    for member in members:
        member.update(changed)


def show_whole_groups(hooks: list[Hook]) -> None:
    """Let hooks in the place of ParamSchedulerHook see the base groups.

    Args:
        hooks: Of a runner, changed in place.
    """
    for hook in hooks:
        if not isinstance(hook, ParamSchedulerHook):
            continue
        if type(hook) is ParamSchedulerHook or STAGES[0] in vars(hook):
            continue  # none to show, or shown in an earlier run
        for stage in STAGES:
            setattr(hook, stage, _with_whole_groups(getattr(hook, stage)))


def _with_whole_groups(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapped(runner: Any, *args: Any, **options: Any) -> Any:
        if not hasattr(runner.optim_wrapper, 'base_group_sizes'):
            return call(runner, *args, **options)
        with whole_groups(runner.optim_wrapper):
            return call(runner, *args, **options)

    return wrapped
