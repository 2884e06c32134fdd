"""What measured gradients mean, in plain words, and what fits them.

The benchmark (docs/benchmark.md) is the reason for each method that is named.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from mmada.diagnostics.gradients.measure import Gradients

DOMINANT = 0.5
"""Share from which on a loss dominates, if it is also half as much again as an
even one."""
ALIKE = 0.8
"""Part of the largest share from which on another is about as large."""
SMALL = 0.1
"""Part of an even share below which a gradient is small."""
CONFLICT = -0.1
"""Cosine from which on two losses conflict, if noise does not explain it."""
SURE = 2.0
"""Standard errors that a mean cosine has to be below 0."""
NOISY = 4.0
"""Noise between batches from which on a gradient is hardly known."""


def advise(found: Gradients, trained: bool) -> list[str]:
    """Say which gradient dominates or is small, which conflict, what fits.

    Args:
        found: What was measured.
        trained: Whether the model came from a named checkpoint.
    """
    dominant, small = find_dominant(found), find_small(found)
    pairs = find_conflicts(found)
    return [
        *_missing(found),
        *_shares(found, dominant, small),
        *_conflicts(found, pairs),
        *_noise(found),
        _method(bool(dominant or small), bool(pairs)),
        *([] if trained else [_UNTRAINED]),
    ]


def find_dominant(found: Gradients) -> list[int]:
    """Return the objective whose gradient dominates, [] if none does.

    Those that are about as large come after it.
    """
    shares = found.shares.nan_to_num(0.0)
    largest = shares.max()
    if largest <= max(DOMINANT, 1.5 / len(found.names)):
        return []
    order: list[int] = shares.argsort(descending=True).tolist()
    return [i for i in order if shares[i] >= ALIKE * largest]


def find_small(found: Gradients) -> list[int]:
    """Return the objectives with a small gradient in the shared layers."""
    below = found.shares < SMALL / len(found.names)
    return below.nonzero().flatten().tolist()


def find_conflicts(found: Gradients) -> list[tuple[int, int]]:
    """Return the pairs that pull the trunk apart, the worst first."""
    mean = found.batch_cosines.nanmean(0)
    error = standard_errors(found.batch_cosines)
    pairs = [
        (i, j)
        for i, j in itertools.combinations(range(len(found.names)), 2)
        if mean[i, j] < CONFLICT and mean[i, j] < -SURE * error[i, j]
    ]
    return sorted(pairs, key=lambda pair: float(mean[pair]))


def standard_errors(values: Tensor) -> Tensor:
    """Return the standard error of means over the first axis.

    Args:
        values: NaN where there is no measurement; fewer than two give NaN.
    """
    count = values.isfinite().sum(0)
    squares = (values - values.nanmean(0)).square().nansum(0)
    return (
        (squares / (count - 1) / count)
        .sqrt()
        .masked_fill(count < 2, torch.nan)
    )


def _missing(found: Gradients) -> Iterator[str]:
    absent = found.losses.isnan().tolist()
    names = [n for n, gone in zip(found.names, absent, strict=True) if gone]
    if names:
        yield (
            f'{_join(names)} had no loss in these batches: nothing is known '
            'of it. Take more batches, or a trained checkpoint.'
        )


def _shares(
    found: Gradients, dominant: list[int], small: list[int]
) -> Iterator[str]:
    shown = [f'{found.names[i]} ({found.shares[i]:.0%})' for i in dominant]
    if len(shown) == 1:
        yield (
            f'{shown[0]} dominates the gradient of the shared layers, which '
            'probably learn most for it.'
        )
    elif shown:
        yield (
            f'{_join(shown)} have gradients of about equal size, which '
            'together dominate that of the shared layers.'
        )
    elif not small:
        known = found.shares[found.shares.isfinite()]
        yield (
            'No loss dominates the gradient of the shared layers, and none '
            'has a small one: shares are '
            f'{float(known.min()):.1%} to {float(known.max()):.1%}.'
        )
    if small:
        parts = [f'{found.names[i]} ({found.shares[i]:.2%})' for i in small]
        one = len(parts) == 1
        yield (
            f'The gradient{"" if one else "s"} of {_join(parts)} '
            f'{"is" if one else "are"} small in the shared layers: even with '
            f'{1 / SMALL:.0f} times the weight {"its" if one else "their"} '
            'share would stay below an even one.'
        )


def _conflicts(
    found: Gradients, pairs: list[tuple[int, int]]
) -> Iterator[str]:
    mean = found.batch_cosines.nanmean(0)
    if not pairs:
        yield (
            'No two losses conflict: no cosine is below '
            f'{CONFLICT} beyond what the batches differ by.'
        )
        return
    parts = [
        f'{found.names[i]} and {found.names[j]} ({mean[i, j]:+.2f})'
        for i, j in pairs
    ]
    yield f'In conflict, by cosine: {_join(parts)}.'


def _noise(found: Gradients) -> Iterator[str]:
    noisy = (found.noise > NOISY).tolist()
    names = [n for n, loud in zip(found.names, noisy, strict=True) if loud]
    if names:
        yield (
            f'From batch to batch the gradient of {_join(names)} differs over '
            f'{NOISY:.0f} times as much as it agrees: more batches would tell '
            'more.'
        )


def _method(unbalanced: bool, conflicting: bool) -> str:
    if unbalanced:
        return (
            'What fits: a method that looks at the size of the losses. With '
            'one training to spare InverseLossWeighting of each kind of '
            'losses (where the losses come on wrong scales, 2.6 PQ above ones '
            'on generated scenes and 1.5 on real images, but below them on '
            'balanced real images) or UncertaintyWeighting with '
            "normalize='none' (1.7 and 2.0 above, and 0.8 below on balanced "
            'real images). With about twelve trainings: SlopeSearch of the '
            'same kinds (1.0 to 1.1 above InverseLossWeighting), or a policy '
            'of such a search (2.7 above ones, on scenes). '
            'DWA, PBT, AM-LFS and aggregators of gradients start at ones, and '
            'do not find back within a training. A large share alone is no '
            'fault: whether it is one, the metric says. The page "Benchmark" '
            'of the documentation has the figures.'
        )
    keep = (
        'keep all weights 1. Where the scales are right, all ones are hard to '
        'beat, by a search as well. UncertaintyWeighting with '
        "normalize='none' is 0.7 PQ above them on generated scenes, but 0.8 "
        'below on real images. The page "Benchmark" of the documentation has '
        'the figures.'
    )
    if conflicting:
        return (
            'What fits: the aggregators of gradients are made for conflicts, '
            'but in the benchmark UPGrad ends level with ones at 2.3 times '
            f'the processor time, PCGrad and CAGrad below. So {keep}'
        )
    return f'What fits: {keep}'


_UNTRAINED = (
    'This is the model as the config starts it. While a detector is new its '
    'boxes have small gradients, which grow: name a trained one with '
    '--checkpoint before you change a weight.'
)


def _join(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f'{", ".join(names[:-1])} and {names[-1]}'
