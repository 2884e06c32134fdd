"""Panoptic segments of ADE20K from its semantic and its instance maps.

The scene parsing release (ADEChallengeData2016) has 150 classes in one map;
the instance annotations number the objects of 100 of them in another. The
panoptic label set of mmdet's ``ADE20KPanopticDataset`` has those 100 things
first, then the other 50 classes as stuff, each in the release's order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet.datasets import ADE20KPanopticDataset
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import describe_segment

NUM_CLASSES = 150
# Of the release's classes, counted from 0, those that are stuff.
STUFF = (
    *(0, 1, 2, 3, 4, 5, 6, 9, 11, 13, 16, 17, 21, 25, 26, 28, 29, 34, 40),
    *(46, 48, 51, 52, 54, 59, 60, 61, 63, 68, 77, 79, 84, 91, 94, 96, 99),
    *(100, 101, 105, 106, 109, 113, 114, 117, 122, 128, 131, 140, 141, 145),
)
THINGS = tuple(c for c in range(NUM_CLASSES) if c not in STUFF)
MAX_SEGMENTS = 320
"""More than an image can have: 255 objects and 50 kinds of stuff."""


def ade20k_categories() -> list[dict[str, Any]]:
    """Return the ``categories`` of the annotation file, things first."""
    info = ADE20KPanopticDataset.METAINFO
    return [
        dict(
            id=k,
            name=name,
            isthing=int(k < len(THINGS)),
            color=list(info['palette'][k]),
        )
        for k, name in enumerate(info['classes'])
    ]


def merge_maps(
    semantic: NDArray[np.uint8], instance: NDArray[np.uint8], first_id: int
) -> tuple[NDArray[np.int32], list[dict[str, Any]]]:
    """Merge the two maps of an image.

    Objects lie on stuff. What is a thing in the semantic map but no object
    in the other is void. Areas and boxes are those of what is seen in the
    result.

    Args:
        semantic: Class of each pixel from 1, 0 for none.
        instance: (height, width, 3) in RGB order: class of the object from
            1, number of the object in the image, anything.
        first_id: Id of the first segment.

    Returns:
        Segment ids, and ``segments_info`` of the COCO panoptic format.

    Raises:
        ValueError: If the maps do not fit.
    """
    _check(semantic, instance)
    numbers = instance[..., 1].astype(np.int32)
    category_of = {n: _object_class(instance, n) for n in _present(numbers)}
    # Objects keep their number, stuff follows behind the largest of them.
    stuff = np.zeros(NUM_CLASSES + 1, dtype=np.int32)
    for k, c in enumerate(STUFF):
        stuff[c + 1] = 256 + k
        category_of[256 + k] = len(THINGS) + k
    keys = np.where(numbers > 0, numbers, stuff[semantic])
    ids = np.zeros_like(keys)
    segments = []
    for k, key in enumerate(_present(keys)):
        mask = keys == key
        ids[mask] = first_id + k
        segments.append(describe_segment(mask, first_id + k, category_of[key]))
    return ids, segments


def disagreement(
    semantic: NDArray[np.uint8], instance: NDArray[np.uint8]
) -> tuple[int, int]:
    """Count pixels of objects, and those of another class in the other map.

    Many of the second mean that the maps are not of the same images or that
    classes are numbered differently.

    Returns:
        Number of pixels that differ, and of all pixels of objects.
    """
    expected = np.zeros(256, dtype=np.int32)
    expected[1 : len(THINGS) + 1] = np.array(THINGS) + 1
    objects = instance[..., 1] > 0
    wrong = objects & (expected[instance[..., 0]] != semantic)
    return int(wrong.sum()), int(objects.sum())


def _check(semantic: NDArray[np.uint8], instance: NDArray[np.uint8]) -> None:
    if instance.shape != (*semantic.shape, 3):
        raise ValueError(
            f'the instance map should have the shape {(*semantic.shape, 3)} '
            f'of the semantic one. Found {instance.shape}.'
        )
    if semantic.max(initial=0) > NUM_CLASSES:
        raise ValueError(
            f'the semantic map should have classes 0..{NUM_CLASSES}. Found '
            f'{semantic.max()}.'
        )


def _object_class(instance: NDArray[np.uint8], number: int) -> int:
    classes = np.unique(instance[..., 0][instance[..., 1] == number]).tolist()
    if len(classes) > 1 or not 1 <= classes[0] <= len(THINGS):
        raise ValueError(
            f'object {number} should be of one class in 1..{len(THINGS)}. '
            f'Found {classes}.'
        )
    return classes[0] - 1


def _present(keys: NDArray[np.int32]) -> list[int]:
    found: list[int] = np.flatnonzero(np.bincount(keys.ravel())).tolist()
    return [key for key in found if key]
