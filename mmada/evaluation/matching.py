"""Matching of the segments of one image: the counts behind panoptic quality.

Follows the reference evaluator of the COCO panoptic task (Kirillov et al.,
"Panoptic Segmentation", CVPR 2019, section 4) in every detail that its
numbers depend on. Nothing is rounded here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from mmada.datasets.coco_panoptic import VOID
from mmada.datasets.segment_map import SegmentMap, label_areas, overlaps

Overlaps = Mapping[tuple[int, int], int]


class TruthSegment(NamedTuple):
    """One entry of ``segments_info`` of the truth.

    Attributes:
        category: Category id.
        area: Pixels as stated in the annotation file, perhaps a fraction;
            the evaluator believes the file, not the map.
        crowd: Whether it stands for a group.
    """

    category: int
    area: float
    crowd: bool


class Truth(NamedTuple):
    """The truth of one image: its map, and the listed segments by id."""

    segments: SegmentMap
    listed: dict[int, TruthSegment]


class Match(NamedTuple):
    """A true positive: shared and united area, in pixels."""

    category: int
    intersection: int
    union: float


class ImageCounts(NamedTuple):
    """What one image adds to the counts.

    Attributes:
        image_id: Image that was counted.
        matches: True positives.
        false_positives: Category of each.
        false_negatives: Category of each.
    """

    image_id: int | str
    matches: tuple[Match, ...]
    false_positives: tuple[int, ...]
    false_negatives: tuple[int, ...]


def count_image(
    image_id: int | str,
    truth: Truth,
    predicted: SegmentMap,
    categories: Mapping[int, int],
    void: Collection[int] = (VOID,),
) -> ImageCounts:
    """Match the predicted segments of one image with the true ones.

    A predicted and a true segment match if their category is equal, the true
    one is no crowd and their IoU is above (not at) one half; pixels of the
    predicted segment on void are left out of the union. An unmatched
    predicted segment is forgiven if more than half of it lies on void or on
    the crowd of its category.

    Args:
        image_id: Image that is counted.
        truth: The truth.
        predicted: Predicted segments, of the same size.
        categories: Category id of each predicted label.
        void: Predicted labels that stand for no segment, unless they are in
            ``categories``.

    Returns:
        The counts.

    Raises:
        ValueError: If the sizes differ, a predicted label has no category or
            a category no pixels, or a stated area contradicts the map.
    """
    try:
        shared = overlaps(truth.segments, predicted)
    except ValueError as error:
        raise ValueError(
            f'image {image_id}: {error} The first is the truth.'
        ) from None
    areas = {
        label: area
        for label, area in label_areas(predicted).items()
        if label in categories or label not in void
    }
    _check_labels(image_id, areas, categories)
    matches = _match(image_id, truth.listed, shared, areas, categories)
    found = {pair[0] for pair in matches}
    used = {pair[1] for pair in matches}
    crowds = {
        s.category: label for label, s in truth.listed.items() if s.crowd
    }
    missed = tuple(
        s.category
        for label, s in truth.listed.items()
        if not s.crowd and label not in found
    )
    wrong = tuple(
        categories[label]
        for label, area in areas.items()
        if label not in used
        and not _forgiven(label, area, crowds.get(categories[label]), shared)
    )
    return ImageCounts(image_id, tuple(matches.values()), wrong, missed)


def _check_labels(
    image_id: int | str,
    areas: Mapping[int, int],
    categories: Mapping[int, int],
) -> None:
    unlisted = sorted(areas.keys() - categories.keys())
    if unlisted:
        raise ValueError(
            f'image {image_id}: every segment id of the predicted map should '
            f'have a category. Found {unlisted} without.'
        )
    unseen = sorted(categories.keys() - areas.keys())
    if unseen:
        raise ValueError(
            f'image {image_id}: every segment id with a category should be '
            f'in the predicted map. Found {unseen} elsewhere.'
        )


def _match(
    image_id: int | str,
    listed: Mapping[int, TruthSegment],
    shared: Overlaps,
    areas: Mapping[int, int],
    categories: Mapping[int, int],
) -> dict[tuple[int, int], Match]:
    matches = {}
    for (true, label), pixels in shared.items():
        segment = listed.get(true)
        if segment is None or segment.crowd or label not in areas:
            continue
        if segment.category != categories[label]:
            continue
        union = (
            areas[label] + segment.area - pixels - shared.get((VOID, label), 0)
        )
        if not union:
            raise ValueError(
                f'image {image_id}: the area of segment {true} should be '
                f'that of the map, which shares {pixels} pixels with a '
                f'prediction. Found {segment.area} in the annotation file.'
            )
        # IoU > 1/2, multiplied out. A stated area that is too small can make
        # the union negative: no match, as in the reference.
        if 2 * pixels > union > 0:
            matches[true, label] = Match(segment.category, pixels, union)
    return matches


def _forgiven(
    label: int, area: int, crowd: int | None, shared: Overlaps
) -> bool:
    pixels = shared.get((VOID, label), 0)
    if crowd is not None:
        pixels += shared.get((crowd, label), 0)
    return 2 * pixels > area
