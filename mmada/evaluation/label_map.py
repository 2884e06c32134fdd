"""From the labels of mmdet's panoptic maps to the categories of a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mmada.datasets.coco_panoptic import Category

INSTANCE_OFFSET = 1000
"""mmdet labels a pixel with its class + 1000 x its instance."""


def label_categories(
    classes: Sequence[str], categories: Mapping[int, Category]
) -> list[int]:
    """Return the category id of each class label.

    mmdet numbers the classes in the order of the annotation file, whatever
    the order of ``classes``, and its panoptic heads take the first labels
    for things.

    Args:
        classes: Class names of the data set.
        categories: Categories of the annotation file, in its order.

    Raises:
        ValueError: If a class is not in the file, stuff comes before a
            thing, or there are too many classes to be told apart.
    """
    if len(classes) >= INSTANCE_OFFSET:
        raise ValueError(
            f'classes should be fewer than {INSTANCE_OFFSET}, '
            f'found {len(classes)}'
        )
    names = {c.name for c in categories.values()}
    missing = [name for name in classes if name not in names]
    if missing:
        raise ValueError(
            'classes should be category names of the annotation '
            f'file, found {missing}'
        )
    ids = [c for c, category in categories.items() if category.name in classes]
    kinds = [categories[c].isthing for c in ids]
    if kinds != sorted(kinds, reverse=True):
        wrong = categories[ids[kinds.index(False)]].name
        raise ValueError(
            'things should come before stuff in the categories '
            f'of the annotation file, found {wrong!r} first'
        )
    return ids


def split_labels(
    labels: Collection[int], category_ids: Sequence[int], ignore_index: int
) -> tuple[dict[int, int], list[int]]:
    """Tell the segments of a panoptic map of mmdet from its void.

    Args:
        labels: Labels that occur, class + 1000 x instance.
        category_ids: Category id of each class.
        ignore_index: Class that is void, besides ``len(category_ids)``.

    Returns:
        The category id of each segment's label, and the void labels.

    Raises:
        ValueError: If a label has an unknown class.
    """
    num_classes = len(category_ids)
    categories, void = {}, []
    for label in labels:
        index = label % INSTANCE_OFFSET
        if index in (num_classes, ignore_index):
            void.append(label)
        elif index < num_classes:
            categories[label] = category_ids[index]
        else:
            raise ValueError(
                f'label {label} should be of one of '
                f'{num_classes} classes, found class {index}'
            )
    return categories, void
