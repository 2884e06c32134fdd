"""What hooks and transforms change of a dataset, put back for each segment."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, ValuesView
from enum import Enum
from logging import Logger
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from mmengine.utils import ManagerMixin
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmada.engine.replicas.plain_data import (
    GENERATORS,
    generator_state,
    set_generator_state,
)

# Code, constants, and what is not the dataset's own.
_FOREIGN = (
    type,
    Enum,
    FunctionType,
    MethodType,
    ModuleType,
    Logger,
    ManagerMixin,
    Tensor,
    nn.Module,
)
_CONTAINERS = (list, dict, set, deque)
_FEW = 100  # a pipeline has less entries, a list of images more
_SMALL = 2**20  # bytes: the order of a sampler has less, packed images more


class DatasetState:
    """A dataset, those inside of it and their transforms, at the start.

    Attributes are kept as they are, lists, dicts and sets by what is in them,
    and small arrays by their values: enough for a pipeline that is exchanged,
    keys that are skipped, the caches of mosaics and a sampler of objects that
    a transform pastes. Images and annotations are not copied.

    Args:
        dataset: Before any batch.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._attributes: list[tuple[Any, dict[str, Any]]] = []
        self._contents: list[tuple[Any, Any]] = []
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self._generators: list[tuple[Any, Any]] = []
        self._seen: set[int] = set()
        self._add(dataset)

    def reset(self) -> None:
        """Make everything as it was at the start."""
        for owner, attributes in self._attributes:
            vars(owner).clear()
            vars(owner).update(attributes)
        for container, content in self._contents:
            container.clear()
            _fill(container, content)
        for array, values in self._arrays:
            array[...] = values
        for generator, state in self._generators:
            set_generator_state(generator, state)

    def _add(self, value: Any) -> None:
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, GENERATORS):
            self._generators.append((value, generator_state(value)))
        elif isinstance(value, _CONTAINERS):
            self._contents.append((value, value.copy()))
        elif isinstance(value, np.ndarray):
            if value.flags.writeable and value.nbytes <= _SMALL:
                self._arrays.append((value, value.copy()))
        elif _is_looked_into(value):
            self._attributes.append((value, dict(vars(value))))
        for part in _parts(value):
            self._add(part)


def _is_looked_into(value: Any) -> bool:
    """Return whether a value is a dataset, a transform or held by one."""
    return hasattr(value, '__dict__') and not isinstance(value, _FOREIGN)


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, (list, tuple, deque, ValuesView)):
        yield from value if len(value) <= _FEW else ()
    elif _is_looked_into(value):
        yield from vars(value).values()


def _fill(container: Any, content: Any) -> None:
    if isinstance(container, (list, deque)):
        container.extend(content)
    else:
        container.update(content)
