"""Categories of an annotation file, by themselves and for a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mmada.datasets.panoptic_check.faults import Fault


def check_categories(
    categories: Sequence[Mapping[str, Any]],
    metainfo: Mapping[str, Any] | None = None,
) -> list[Fault]:
    """Check the categories of an annotation file.

    Args:
        categories: ``categories`` of the file, each with an ``id``, a
            ``name`` and ``isthing``.
        metainfo: That of the dataset which reads the file: its ``classes``
            are compared, and its ``thing_classes`` if there are any.
    """
    faults = [*_fields(categories)]
    if faults:
        return faults
    faults = [*_duplicates(categories), *_things_first(categories)]
    if metainfo and 'classes' in metainfo:
        faults += _compare(categories, metainfo)
    return faults


def unused_categories(
    categories: Sequence[Mapping[str, Any]], used: Collection[int]
) -> list[Fault]:
    """Return the categories that no segment has."""
    return [
        Fault('unused_category', str(c['name']))
        for c in categories
        if c['id'] not in used
    ]


def _fields(categories: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    if not categories:
        yield Fault('bad_fields', 'there are no categories')
    for k, category in enumerate(categories):
        for name in ('id', 'name', 'isthing'):
            if not isinstance(category, Mapping) or name not in category:
                yield Fault('bad_fields', f'category {k} of the list: {name}')


def _duplicates(categories: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    for name in ('id', 'name'):
        counts = Counter(c[name] for c in categories)
        for value, count in counts.items():
            if count > 1:
                yield Fault('duplicate_category', f'{name} {value!r}')


def _things_first(categories: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    stuff = None
    for category in categories:
        if not category['isthing']:
            stuff = stuff or category['name']
        elif stuff:
            yield Fault('things_first', f'{category["name"]} behind {stuff}')


def _compare(
    categories: Sequence[Mapping[str, Any]], metainfo: Mapping[str, Any]
) -> Iterator[Fault]:
    classes = list(metainfo['classes'])
    things = metainfo.get('thing_classes')
    names = [c['name'] for c in categories]
    for name in classes:
        if name not in names:
            yield Fault('missing_class', name)
    for category in categories:
        name = category['name']
        if name not in classes:
            yield Fault('extra_class', name)
        elif things is not None and (name in things) != category['isthing']:
            yield Fault('other_kind', name)
    # In the places of what both have, so that one more is no other order.
    there = [name for name in names if name in classes]
    here = [name for name in classes if name in names]
    for place, (a, b) in enumerate(zip(here, there, strict=False)):
        if a != b:
            yield Fault('class_order', f'{a}: {b} has place {place}')
