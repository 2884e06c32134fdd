"""Which classes gained and which lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmada.datasets.coco_panoptic import Category
from mmada.visualization.report.advice import Advice
from mmada.visualization.report.chart import GREEN, RED, Chart, Series
from mmada.visualization.report.image_changes import (
    Change,
    class_changes,
    difference_interval,
    summarise,
)
from mmada.visualization.report.panels.panel import Panel, Table
from mmada.visualization.report.predictions import ModelPair

CAPTION = (
    'PQ of each class on the test images, ours minus baseline. A gain that '
    'rests on one class, or things that gain what stuff loses, is another '
    'result than a gain of all. Bars of rare classes are mostly chance.'
)


def classes_panel(pair: ModelPair) -> Panel:
    """Show PQ of all, things, stuff and each class."""
    categories = pair.categories
    shared = set(pair.baseline.counts) & set(pair.ours.counts)
    first, second = (
        {image: c for image, c in found.counts.items() if image in shared}
        for found in (pair.baseline, pair.ours)
    )
    before, after = (summarise(c, categories) for c in (first, second))
    rows = [
        [name, *(f'{100 * q:.2f}' for q in (a, b)), f'{100 * (b - a):+.2f}']
        for name in before.groups
        for a, b in [(before.groups[name].pq, after.groups[name].pq)]
    ]
    interval = difference_interval(first, second, categories)
    difference = 100 * (after.groups['All'].pq - before.groups['All'].pq)
    return Panel(
        'classes',
        'Classes',
        CAPTION,
        [_advice(difference, interval, len(shared))],
        [_chart(class_changes(before, after), categories)],
        [Table(('PQ', *pair.names, 'difference'), rows)],
    )


def _chart(
    changes: Sequence[Change], categories: Mapping[int, Category]
) -> Chart:
    names = [categories[int(change.key)].name for change in changes]
    gains = [max(change.difference, 0.0) for change in changes]
    losses = [min(change.difference, 0.0) for change in changes]
    return Chart(
        'class-differences',
        'PQ of ours minus baseline',
        'difference in PQ',
        '',
        [
            Series('gain', names, gains, 'bars', GREEN),
            Series('loss', names, losses, 'bars', RED),
        ],
        sideways=True,
    )


def _advice(
    difference: float, interval: tuple[float, float], num_images: int
) -> Advice:
    low, high = interval
    text = (
        f'Ours minus baseline is {difference:+.2f} PQ on {num_images} test '
        f'images, 95% interval {low:+.2f} to {high:+.2f} by bootstrap over '
        'images. '
    )
    if low <= 0 <= high:
        return Advice(
            'note',
            text + 'It includes zero: these images do not tell the two apart.',
        )
    return Advice(
        'good' if low > 0 else 'warning',
        text + 'It leaves out zero; other seeds may still differ.',
    )
