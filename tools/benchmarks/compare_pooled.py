"""Methods over all problems together."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from intervals import bootstrap_means, percentile_interval, pooled_t_interval
from rows import Difference, Row, gains, resampled_gains

REFERENCES = ('ones', 'inverse-loss', 'uncertainty')


class Pooled(NamedTuple):
    """A method against a reference on all problems that both have.

    Attributes:
        difference: The mean over problems of the means over seeds.
        won: Pairs of problem and seed in which the method is above.
        problems: How many.
    """

    difference: Difference
    won: int
    problems: int


def pool(
    rows: Mapping[str, Sequence[Row]], name: str, reference: str
) -> Pooled | None:
    """Compares two methods over problems; None if no pair has both.

    Seeds of different problems count as independent, also where one policy
    of a seed serves several of them; draws of images are the same for all.

    Args:
        rows: By name of the problem.
        name: Of the method.
        reference: Name of the other one.
    """
    pairs = [
        (found[name], found[reference])
        for found in (
            {row.method.name: row.results for row in some}
            for some in rows.values()
        )
        if name in found
        and reference in found
        and found[name].keys() & found[reference].keys()
    ]
    if not pairs or name == reference:
        return None
    groups = [gains(*pair) for pair in pairs]
    means = np.mean(
        [
            bootstrap_means(resampled_gains(*pair), seed)
            for seed, pair in enumerate(pairs)
        ],
        axis=0,
    )
    pooled = [gain for group in groups for gain in group]
    return Pooled(
        Difference(
            statistics.fmean(map(statistics.fmean, groups)),
            percentile_interval(means),
            pooled_t_interval(groups),
            len(pooled),
        ),
        sum(gain > 0 for gain in pooled),
        len(pairs),
    )
