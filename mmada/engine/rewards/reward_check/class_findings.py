"""What makes predictions implausible, class by class, one rule a function."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmada.diagnostics.reward.class_amounts import Census
from mmada.diagnostics.reward.rules import Finding

ALMOST_ALL = 0.995
"""Share of the predictions from which on they count as all."""

OTHER_AMOUNTS = 0.5
"""Share of the predictions in classes that the truth has less of."""

RENAMED = 0.5
"""Share of a true class that another class takes over."""

ORDER_CLASSES = 2
"""Renamed classes from which on their order is in doubt."""


def all_void(census: Census) -> Iterator[Finding]:
    """Finds a model that leaves the images empty."""
    void = census.predicted[-1]
    if void >= ALMOST_ALL * census.predicted.sum():
        yield Finding(
            'all void',
            f'nothing is predicted on the {census.images} images. Are scores '
            'below `test_cfg.rcnn.score_thr`, and stuff below '
            '`test_cfg.panoptic.stuff_area_limit` pixels?',
        )


def one_class(census: Census) -> Iterator[Finding]:
    """Finds a model that predicts one class only."""
    predicted, truth = census.predicted[:-1], census.truth[:-1]
    total = predicted.sum()
    top = int(predicted.argmax())
    several = (truth > 0).sum() > 1 or not truth.sum()
    if total and several and predicted[top] >= ALMOST_ALL * total:
        yield Finding(
            'one class',
            f'{100 * predicted[top] / total:.1f} percent of the predicted '
            f'{census.unit} are {census.classes[top]!r}. Weights that were '
            'not loaded, or a training that diverged, look like that.',
        )


def no_things(
    census: Census, score_threshold: float | None
) -> Iterator[Finding]:
    """Finds a model without things on any image.

    Args:
        census: The counts.
        score_threshold: Below it a thing is dropped; None if unknown.
    """
    expected = census.truth[: census.num_things].sum()
    if expected and not census.with_things:
        limit = '' if score_threshold is None else f' ({score_threshold})'
        yield Finding(
            'no things',
            f'none of the {census.images} images has a predicted thing, the '
            'truth has. Every score seems to be below the score threshold'
            f'{limit}: early in a training, lower it for the rewards, or '
            'the box and class losses cannot be told apart by them.',
        )


def other_amounts(census: Census) -> Iterator[Finding]:
    """Finds predictions whose classes are not those of the truth."""
    truth, predicted = census.truth[:-1], census.predicted[:-1]
    if not truth.sum() or not predicted.sum():
        return
    surplus = predicted / predicted.sum() - truth / truth.sum()
    excess = surplus[surplus > 0].sum()
    if excess > OTHER_AMOUNTS:
        most, least = int(surplus.argmax()), int(surplus.argmin())
        yield Finding(
            'other classes than the truth',
            f'{100 * excess:.0f} percent of the predicted {census.unit} are '
            'of classes that the truth has less of, above all '
            f'{census.classes[most]!r}; {census.classes[least]!r} is missed '
            'most.',
        )


def category_order(census: Census) -> Iterator[Finding]:
    """Finds classes that are predicted well, but by another one's name."""
    renamed = _renamed(census)
    counted = (census.truth[:-1] > 0).sum()
    # A model that knows little calls many classes by one name; an order
    # that is wrong gives each a name of its own.
    distinct = len(set(renamed.values())) == len(renamed)
    if len(renamed) < ORDER_CLASSES or not distinct:
        return
    if len(renamed) >= 0.2 * counted:
        examples = ', '.join(
            f'{census.classes[t]!r} is called {census.classes[p]!r}'
            for t, p in list(renamed.items())[:4]
        )
        yield Finding(
            'category order',
            f'{len(renamed)} of {counted} classes are predicted by the name '
            f'of another: {examples}. The categories of the annotation '
            'files seem to be in another order than when the model was '
            'trained.',
        )


def _renamed(census: Census) -> dict[int, int]:
    """Returns which class takes over most of a true class, if another."""
    found: dict[int, int] = {}
    for label, row in enumerate(census.shared[:-1, :-1]):
        area = census.truth[label]
        other = int(np.argmax(row))
        if area and other != label and row[other] > RENAMED * area:
            found[label] = other
    return found
