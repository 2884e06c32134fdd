"""What makes a reward implausible, one rule a function.

Each rule returns what is wrong in plain words, or nothing. The limits are
those of a broken evaluation, not of a poor model: a detector that has trained
for an epoch is far from all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmada.datasets.class_images import name_classes
from mmada.diagnostics.reward.class_amounts import ClassAmounts
from mmada.diagnostics.reward.loading import LoadReport, by_part

NEAR_ZERO = 1.0
"""Percent of PQ below which hardly any segment is found."""

WELL = 5.0
"""Percent of PQ at which one kind of class is learned."""

AP_NEAR_ZERO = 0.01
"""AP below which hardly any object is found."""

FEW_IMAGES = 50
"""Reward images below which single ones decide between replicas.

`mmada split` says so too.
"""

FEW_MATCHED = 0.1
"""Share of the classes with a match below which SQ is suspicious."""

ALMOST_ALL = 0.995
"""Share of the predictions from which on they count as all."""

OTHER_AMOUNTS = 0.5
"""Share of the predictions in classes that the truth has less of."""

RENAMED = 0.5
"""Share of a true class that another class takes over."""

ORDER_CLASSES = 2
"""Renamed classes from which on their order is in doubt."""


class Finding(NamedTuple):
    """What is wrong.

    Attributes:
        rule: Name of the rule.
        text: Explains it.
    """

    rule: str
    text: str


def weights_missing(loaded: LoadReport) -> Iterator[Finding]:
    """Find parts of the model that stay random."""
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
    """Find weights that have diverged."""
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
    """Find a reward that is no number to learn from."""
    if value is None or not math.isfinite(value):
        yield Finding(
            'no reward',
            'what is maximised is not a finite number, so no replica can '
            'win. NaN, as which -1 of COCO counts, is what the data have no '
            f'truth for. The metrics are {dict(metrics)}.',
        )
    elif value == 0:
        yield Finding(
            'reward is zero',
            'the reward is exactly 0: nothing that is predicted counts.',
        )


def quality_near_zero(metrics: Mapping[str, float]) -> Iterator[Finding]:
    """Find a PQ that only a broken evaluation or no training gives."""
    for prefix, pq in _values(metrics, 'PQ'):
        if pq < NEAR_ZERO:
            yield Finding(
                'PQ near zero',
                f'{prefix}PQ is {pq:.4f} percent. A model that was trained '
                'at all is above 1: were its weights loaded, and are '
                'categories, images and segment maps those it was trained '
                'on?',
            )


def precision_near_zero(metrics: Mapping[str, float]) -> Iterator[Finding]:
    """Find an AP that rests on a handful of objects."""
    for name in ('bbox_mAP', 'segm_mAP'):
        for prefix, value in _values(metrics, name):
            if value < AP_NEAR_ZERO:
                yield Finding(
                    'AP near zero',
                    f'{prefix}{name} is {value:.4f}. So few objects are '
                    'found that chance decides which replica wins. Were the '
                    'weights loaded, and are the categories those of the '
                    'training? Early in a training this is normal: check a '
                    'later checkpoint.',
                )


def quality_implausible(metrics: Mapping[str, float]) -> Iterator[Finding]:
    """Find an SQ that correct areas and categories cannot give.

    Each match has an IoU above one half, so a class has an SQ of 0 or more
    than 50, and the mean bounds how many have a match.
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
    """Find things without stuff and stuff without things."""
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
    """Find a reward that is the same for all models."""
    if len(rewards) > 1 and len(set(rewards)) == 1 and rewards[0] is not None:
        yield Finding(
            'rewards equal',
            f'the reward is {rewards[0]} for all '
            f'{len(rewards)} checkpoints: a search would learn nothing.',
        )


SOURCES = (
    'Take reward images from every source of the training images, such as '
    'every video; `mmada split` draws them at random, whole videos with '
    '`--group-by`.'
)


def few_images(num_images: int) -> Iterator[Finding]:
    """Find a reward that rests on single images."""
    if num_images < FEW_IMAGES:
        yield Finding(
            'few reward images',
            f'the reward is measured on {num_images} image(s), fewer than '
            f'{FEW_IMAGES}, so that single images decide which replica wins. '
            'Hold out more (`mmada split --num-reward`).',
        )


def classes_left_out(
    left_out: Sequence[str], num_images: int
) -> Iterator[Finding]:
    """Find classes that are trained, but on no reward image.

    Args:
        left_out: Their names.
        num_images: Number of reward images.
    """
    if left_out:
        yield Finding(
            'classes without truth',
            f'{len(left_out)} class(es) of the training are on none of the '
            f'{num_images} reward images, so that the reward ignores them: '
            f'{name_classes(left_out)}. A search may give them up. {SOURCES}',
        )


def classes_on_one_image(class_images: Mapping[str, int]) -> Iterator[Finding]:
    """Find classes that a single reward image decides on.

    Args:
        class_images: Reward images of each class.
    """
    rare = [name for name, images in class_images.items() if images == 1]
    if rare:
        yield Finding(
            'classes on one image',
            f'{len(rare)} class(es) are on a single reward image, which '
            'alone decides what the reward says of them: '
            f'{name_classes(rare)}. {SOURCES}',
        )


def classes_not_found(
    qualities: Mapping[str, float],
    class_images: Mapping[str, int],
    num_images: int,
) -> Iterator[Finding]:
    """Find classes of which nothing counts, where most of the others do.

    Where most classes are not found, the model is at its beginning, and
    which ones the reward will see cannot be told yet.

    Args:
        qualities: PQ, AP or IoU of each class.
        class_images: Images of each class, of those that were scored.
        num_images: How many images were scored.
    """
    scored = [name for name in qualities if class_images.get(name)]
    lost = [name for name in scored if qualities[name] == 0]
    if lost and 2 * len(lost) < len(scored):
        shown = [
            f'{n} ({class_images[n]} of {num_images} images)' for n in lost
        ]
        yield Finding(
            'classes not found',
            f'{len(lost)} of the {len(scored)} classes on the scored images '
            f'have a PQ, AP or IoU of 0: {name_classes(shown)}. A search can '
            'give up such a class without a loss of reward. If a later '
            'checkpoint does not find it either, its objects here are too '
            f'few or too hard. {SOURCES}',
        )


def _values(
    metrics: Mapping[str, float], name: str
) -> Sequence[tuple[str, float]]:
    """Return prefix and value of the metrics of a name, NaN left out."""
    return [
        (key.removesuffix(name), value)
        for key, value in metrics.items()
        if key.split('/')[-1] == name and not math.isnan(value)
    ]


def all_void(amounts: ClassAmounts) -> Iterator[Finding]:
    """Find a model that leaves the images empty."""
    void = amounts.predicted[-1]
    if void >= ALMOST_ALL * amounts.predicted.sum():
        yield Finding(
            'all void',
            f'nothing is predicted on the {amounts.images} images. Are scores '
            'below `test_cfg.rcnn.score_thr`, and stuff below '
            '`test_cfg.panoptic.stuff_area_limit` pixels?',
        )


def one_class(amounts: ClassAmounts) -> Iterator[Finding]:
    """Find a model that predicts one class only."""
    predicted, truth = amounts.predicted[:-1], amounts.truth[:-1]
    total = predicted.sum()
    top = int(predicted.argmax())
    several = (truth > 0).sum() > 1 or not truth.sum()
    if total and several and predicted[top] >= ALMOST_ALL * total:
        yield Finding(
            'one class',
            f'{100 * predicted[top] / total:.1f} percent of the predicted '
            f'{amounts.unit} are {amounts.classes[top]!r}. Weights that were '
            'not loaded, or a training that diverged, look like that.',
        )


def no_things(
    amounts: ClassAmounts, score_threshold: float | None
) -> Iterator[Finding]:
    """Find a model without things on any image.

    Args:
        amounts: Of each class.
        score_threshold: Below it a thing is dropped; None if unknown.
    """
    expected = amounts.truth[: amounts.num_things].sum()
    if expected and not amounts.with_things:
        limit = '' if score_threshold is None else f' ({score_threshold})'
        yield Finding(
            'no things',
            f'none of the {amounts.images} images has a predicted thing, the '
            'truth has. Every score seems to be below the score threshold'
            f'{limit}: early in a training, lower it for the rewards, or '
            'the box and class losses cannot be told apart by them.',
        )


def other_amounts(amounts: ClassAmounts) -> Iterator[Finding]:
    """Find predictions whose classes are not those of the truth."""
    truth, predicted = amounts.truth[:-1], amounts.predicted[:-1]
    if not truth.sum() or not predicted.sum():
        return
    surplus = predicted / predicted.sum() - truth / truth.sum()
    excess = surplus[surplus > 0].sum()
    if excess > OTHER_AMOUNTS:
        most, least = int(surplus.argmax()), int(surplus.argmin())
        yield Finding(
            'other classes than the truth',
            f'{100 * excess:.0f} percent of the predicted {amounts.unit} are '
            'of classes that the truth has less of, above all '
            f'{amounts.classes[most]!r}; {amounts.classes[least]!r} is missed '
            'most.',
        )


def category_order(amounts: ClassAmounts) -> Iterator[Finding]:
    """Find classes that are predicted well, but by another one's name."""
    renamed = _renamed(amounts)
    counted = (amounts.truth[:-1] > 0).sum()
    # A model that knows little calls many classes by one name; an order
    # that is wrong gives each a name of its own.
    distinct = len(set(renamed.values())) == len(renamed)
    if len(renamed) < ORDER_CLASSES or not distinct:
        return
    if len(renamed) >= 0.2 * counted:
        examples = ', '.join(
            f'{amounts.classes[t]!r} is called {amounts.classes[p]!r}'
            for t, p in list(renamed.items())[:4]
        )
        yield Finding(
            'category order',
            f'{len(renamed)} of {counted} classes are predicted by the name '
            f'of another: {examples}. The categories of the annotation '
            'files, or the labels of the maps, seem to be in another order '
            'than when the model was trained.',
        )


def _renamed(amounts: ClassAmounts) -> dict[int, int]:
    """Return which class takes over most of a true class, if another."""
    found: dict[int, int] = {}
    for label, row in enumerate(amounts.shared[:-1, :-1]):
        area = amounts.truth[label]
        other = int(np.argmax(row))
        if area and other != label and row[other] > RENAMED * area:
            found[label] = other
    return found
