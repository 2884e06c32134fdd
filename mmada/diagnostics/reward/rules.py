"""What makes a reward implausible, one rule a function.

Each rule returns what is wrong in plain words, or nothing. The limits are
those of a broken evaluation, not of a poor model: a detector that has trained
for an epoch is far from all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mmada.diagnostics.reward.loading import LoadReport, by_part

NEAR_ZERO = 1.0
"""Percent of PQ below which hardly any segment is found."""

WELL = 5.0
"""Percent of PQ at which one kind of class is learned."""

FEW_MATCHED = 0.1
"""Share of the classes with a match below which SQ is suspicious."""


class Finding(NamedTuple):
    """What is wrong.

    Attributes:
        rule: Name of the rule.
        text: Explains it.
    """

    rule: str
    text: str


def weights_missing(loaded: LoadReport) -> Iterator[Finding]:
    """Finds parts of the model that stay random."""
    for names, fault in (
        (loaded.missing, 'not in the checkpoint'),
        (loaded.misshapen, 'of another shape in the checkpoint'),
    ):
        if names:
            yield Finding(
                'weights missing',
                f'{len(names)} of {loaded.total} weights are {fault} and '
                f'stay at their random start: {by_part(names)}, such as '
                f'{names[0]!r}. A Runner loads such a checkpoint without an '
                'error.',
            )


def weights_not_finite(loaded: LoadReport) -> Iterator[Finding]:
    """Finds weights that have diverged."""
    if loaded.not_finite:
        yield Finding(
            'weights not finite',
            f'{len(loaded.not_finite)} of {loaded.total} weights have a NaN '
            f'or an infinity: {by_part(loaded.not_finite)}. Such a model '
            'predicts some map without an error, and may score above 0.',
        )


def reward_missing(
    value: float | None, metrics: Mapping[str, float]
) -> Iterator[Finding]:
    """Finds a reward that is no number to learn from."""
    if value is None or not math.isfinite(value):
        yield Finding(
            'no reward',
            'what is maximised is not a finite number, so no replica can '
            f'win. The metrics are {dict(metrics)}.',
        )
    elif value == 0:
        yield Finding(
            'reward is zero',
            'the reward is exactly 0: nothing that is predicted counts.',
        )


def quality_near_zero(metrics: Mapping[str, float]) -> Iterator[Finding]:
    """Finds a PQ that only a broken evaluation or no training gives."""
    for prefix, pq in _values(metrics, 'PQ'):
        if pq < NEAR_ZERO:
            yield Finding(
                'PQ near zero',
                f'{prefix}PQ is {pq:.4f} percent. A model that was trained '
                'at all is above 1: were its weights loaded, and are '
                'categories, images and segment maps those it was trained '
                'on?',
            )


def quality_implausible(metrics: Mapping[str, float]) -> Iterator[Finding]:
    """Finds an SQ that correct areas and categories cannot give.

    Each match has an IoU above one half, so a class has an SQ of 0 or more
    than 50, and the mean tells how many have a match.
    """
    for prefix, sq in _values(metrics, 'SQ'):
        if sq > 100:
            yield Finding(
                'SQ implausible',
                f'{prefix}SQ is {sq:.2f} percent, above 100: the areas that '
                'the annotation file states are not those of its segment '
                'maps.',
            )
        elif sq < 100 * FEW_MATCHED / 2:
            yield Finding(
                'SQ implausible',
                f'{prefix}SQ is {sq:.2f} percent. A class with a match has '
                'more than 50, so at most '
                f'{2 * sq:.0f} percent of the classes have a match at all.',
            )


def one_kind_missing(metrics: Mapping[str, float]) -> Iterator[Finding]:
    """Finds things without stuff and stuff without things."""
    for prefix, things in _values(metrics, 'PQ_th'):
        stuff = metrics.get(f'{prefix}PQ_st', math.nan)
        for bad, good, kinds in (
            (things, stuff, ('things', 'stuff')),
            (stuff, things, ('stuff', 'things')),
        ):
            if bad < NEAR_ZERO and good > WELL:
                yield Finding(
                    f'{kinds[0]} missing',
                    f'PQ of {kinds[0]} is {bad:.2f} percent where that of '
                    f'{kinds[1]} is {good:.2f}. Do things come before stuff '
                    'in the categories of the annotation files, as when the '
                    'model was trained, and are num_things_classes and '
                    'num_stuff_classes those of the data? Else the model is '
                    'hardly trained, or its score_thr (things) or '
                    'stuff_area_limit (stuff) too high.',
                )


def rewards_equal(rewards: Sequence[float | None]) -> Iterator[Finding]:
    """Finds a reward that does not tell models apart."""
    if len(rewards) > 1 and len(set(rewards)) == 1:
        yield Finding(
            'rewards equal',
            f'the reward is {rewards[0]} for all '
            f'{len(rewards)} checkpoints: a search would learn nothing.',
        )


def _values(
    metrics: Mapping[str, float], name: str
) -> Sequence[tuple[str, float]]:
    """Returns prefix and value of the metrics of a name, NaN left out."""
    return [
        (key.removesuffix(name), value)
        for key, value in metrics.items()
        if key.split('/')[-1] == name and not math.isnan(value)
    ]
