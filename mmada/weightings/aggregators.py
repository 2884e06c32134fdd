"""TorchJD's aggregators, by name, imported when one is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any

import torch

_HOME = 'torchjd.aggregation'
_INSTALL = 'pip install "mmada[torchjd]"'


def build_aggregator(name: str, options: Mapping[str, Any]) -> Any:
    """Builds an aggregator that weighs the rows of a matrix.

    Args:
        name: A class of `torchjd.aggregation`, or the dotted path of a class
            that extends its WeightedAggregator.
        options: Its arguments; lists become tensors.

    Raises:
        ImportError: If TorchJD, or what the aggregator needs, is missing.
        ValueError: If there is no such class, an option does not fit, or
            what it makes of a matrix is not a weighted sum of the rows.
    """
    if importlib.util.find_spec('torchjd') is None:
        raise ImportError(
            f'`aggregator` {name!r} needs TorchJD, which is not installed: '
            f'{_INSTALL}'
        )
    home = importlib.import_module(_HOME)
    kind = _find(name, home)
    if not issubclass(kind, home.WeightedAggregator):
        raise ValueError(
            f'`aggregator` is {name!r}, which gives no weights: what it '
            'makes of the gradients is not a weighted sum of them, so no '
            'weights of losses lead there. Expected one of '
            f'{_known(home)}, or a class that extends WeightedAggregator.'
        )
    arguments = {
        key: torch.tensor(value) if isinstance(value, list) else value
        for key, value in options.items()
    }
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ValueError(
            f'`options` of aggregator {name!r} are {dict(options)}: {error}.'
        ) from error
    except ImportError as error:
        raise ImportError(f'{error} Or: {_INSTALL}') from error


def weigh_rows(aggregator: Any, matrix: torch.Tensor) -> torch.Tensor:
    """Returns the weights of a matrix's rows, on the CPU.

    What works on inner products is given those alone, in float64 and on the
    CPU, where its small problems are solved soonest.
    """
    weighting = getattr(aggregator, 'gramian_weighting', None)
    if weighting is None:
        return aggregator.weighting(matrix / _size(matrix)).cpu().double()
    gramian = (matrix @ matrix.T).cpu().double()
    # The size of the gradients means nothing, but TorchJD takes small ones,
    # as of a network that is nearly trained, for zero.
    return weighting(gramian / gramian.diagonal().mean())


def _size(matrix: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(matrix) / len(matrix) ** 0.5


def _find(name: str, home: Any) -> type:
    module, _, attribute = name.rpartition('.')
    try:
        found = getattr(
            importlib.import_module(module) if module else home, attribute
        )
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f'`aggregator` is {name!r}: {error}. Expected one of '
            f'{_known(home)}, or a dotted path.'
        ) from error
    if not isinstance(found, type):
        raise ValueError(f'`aggregator` is {name!r}; expected a class.')
    return found


def _known(home: Any) -> str:
    base = home.WeightedAggregator
    return ', '.join(
        name
        for name in home.__all__
        if issubclass(getattr(home, name), base)
        and not name.endswith('WeightedAggregator')
    )
