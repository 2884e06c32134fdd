"""Weights with which the gradients add up as an aggregator would have it.

The aggregators are TorchJD's, imported when one is asked for by name.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mmada.utils.checks import check_int, check_number
from mmada.weightings.base import GradientWeighting

_HOME = 'torchjd.aggregation'
_INSTALL = 'pip install "mmada[torchjd]"'


class AggregatorWeighting(GradientWeighting):
    """Weighs losses as an aggregator of TorchJD weighs their gradients.

    UPGrad, PCGrad, CAGrad, MGDA, IMTLG, NashMTL, AlignedMTL, DualProj and
    others (pip's torchjd) combine the gradients of the losses linearly. The
    factors, as weights of the losses, give the trunk the same gradient.

    Rows of zeros are left out, and get weight 1. Where the number of rows is
    fixed, since the aggregator remembers (as NashMTL) or has an option with
    an entry for each, the weights stay as they were instead.

    Args:
        aggregator: Its name in `torchjd.aggregation`, or the dotted path of
            a class.
        options: Its arguments.
        scale: What its factors are multiplied with. None chooses what makes
            them average 1 for gradients of equal size at right angles,
            which no aggregator prefers one of: some aggregators average and
            some sum up, and the learning rate should mean the same.
        total: What the weights of each iteration are scaled to add up to;
            None leaves that to the aggregator. Some give far larger or
            smaller weights than 1 in the mean, which changes the balance
            against losses that belong to no objective, such as those of an
            RPN: n keeps it.
        floor: Smallest weight, in place of smaller ones, of negative ones
            too: a head whose loss has weight 0 would not be trained at all.
        seed: Of the aggregators that draw random numbers; they disturb no
            other generator, and draw the same on all ranks.

    Raises:
        ImportError: If TorchJD, or what the aggregator needs, is missing.
        ValueError: If an option does not fit.
    """

    def __init__(
        self,
        aggregator: str,
        options: Mapping[str, Any] | None = None,
        scale: float | None = None,
        floor: float = 0.01,
        seed: int = 0,
        total: float | None = None,
    ) -> None:
        if not isinstance(aggregator, str):
            raise ValueError(
                '`aggregator` should be a name in torchjd.aggregation, or a '
                f'dotted path. Found {aggregator!r}.'
            )
        if options is not None and not isinstance(options, Mapping):
            raise ValueError(
                '`options` should be a dict of arguments, or None. '
                f'Found {options!r}.'
            )
        self.name = aggregator
        self.options = dict(options or {})
        self.floor = check_number('floor', floor, 0, 1, above=True)
        self.seed = check_int('seed', seed, 0)
        if scale is not None:
            check_number('scale', scale, 0, above=True)
        if total is not None:
            check_number('total', total, 0, above=True)
        self._scale = scale
        self._total = total
        self._aggregator = build_aggregator(self.name, self.options)
        self._remembers = hasattr(self._aggregator, 'reset')
        self._all_rows = self._remembers or any(
            isinstance(value, list) for value in self.options.values()
        )
        self._scales: dict[int, float] = {}
        self._calls = 0
        self._last: Tensor | None = None

    def weights(self, losses: Tensor, gradients: Tensor) -> Tensor:
        """Return the aggregator's; see :class:`GradientWeighting`."""
        nonzero = (gradients != 0).any(dim=1).cpu()
        if self._last is None:
            self._last = torch.ones(len(nonzero), dtype=torch.float64)
        if not nonzero.any() or (self._all_rows and not nonzero.all()):
            return self._last.clone()
        weights = torch.ones_like(self._last)
        rows = gradients if nonzero.all() else gradients[nonzero]
        weights[nonzero] = self._weigh(rows).clamp(min=self.floor)
        if self._total is not None:
            weights *= self._total / weights.sum()
        self._last = weights
        return weights.clone()

    def state_dict(self) -> dict[str, Any]:
        """Return how far the random numbers are, and the memory."""
        return dict(
            aggregator=self.name,
            calls=self._calls,
            last=self._last,
            # Bytes, so that a checkpoint loads where TorchJD is missing.
            memory=(
                pickle.dumps(self._aggregator) if self._remembers else None
            ),
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`.

        Raises:
            ValueError: If it is another aggregator's.
        """
        if state['aggregator'] != self.name:
            raise ValueError(
                f'`aggregator` should be {state["aggregator"]!r}, which the '
                f'state was made with. Found {self.name!r}.'
            )
        self._calls, self._last = state['calls'], state['last']
        if self._remembers:
            # As trusted as the rest of a checkpoint, a pickle itself.
            self._aggregator = pickle.loads(state['memory'])

    def _weigh(self, rows: Tensor) -> Tensor:
        scale = self._scale_of(len(rows))
        self._calls += 1
        with _seeded(self.seed + self._calls, rows.device):
            return scale * weigh_rows(self._aggregator, rows)

    def _scale_of(self, count: int) -> float:
        if self._scale is not None:
            return self._scale
        if count not in self._scales:
            fresh = build_aggregator(self.name, self.options)
            with _seeded(self.seed, torch.device('cpu')):
                neutral = weigh_rows(fresh, torch.eye(count))
            self._scales[count] = float(1 / neutral.mean())
        return self._scales[count]


@contextlib.contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw random numbers from a seed, and disturb no generator."""
    devices = [device] if device.type == 'cuda' else []
    with torch.random.fork_rng(devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def build_aggregator(name: str, options: Mapping[str, Any]) -> Any:
    """Build an aggregator that weighs the rows of a matrix.

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
            f'`aggregator` should be one of {_known(home)}, or a class that '
            f'extends WeightedAggregator. Found {name!r}: what it makes of '
            'the gradients is not a weighted sum of them, so no weights of '
            'losses lead there.'
        )
    arguments = {
        key: torch.tensor(value) if isinstance(value, list) else value
        for key, value in options.items()
    }
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ValueError(
            f'`options` should be arguments of aggregator {name!r}. '
            f'Found {dict(options)}: {error}.'
        ) from error
    except ImportError as error:
        raise ImportError(f'{error} Or: {_INSTALL}') from error


def _find(name: str, home: Any) -> type:
    module, _, attribute = name.rpartition('.')
    try:
        found = getattr(
            importlib.import_module(module) if module else home, attribute
        )
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f'`aggregator` should be one of {_known(home)}, or a dotted path. '
            f'Found {name!r}: {error}.'
        ) from error
    if not isinstance(found, type):
        raise ValueError(f'`aggregator` should be a class. Found {name!r}.')
    return found


def _known(home: Any) -> str:
    base = home.WeightedAggregator
    return ', '.join(
        name
        for name in home.__all__
        if issubclass(getattr(home, name), base)
        and not name.endswith('WeightedAggregator')
    )


def weigh_rows(aggregator: Any, matrix: torch.Tensor) -> torch.Tensor:
    """Return the weights of a matrix's rows, on the CPU.

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
