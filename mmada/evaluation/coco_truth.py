"""The truth of a data set in the COCO panoptic format.

Also which category of the file a label of mmdet's panoptic maps stands for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import (
    VOID,
    BackendArgs,
    Category,
    check_list,
    iter_annotations,
    read_annotations,
    read_categories,
    read_segment_map,
    to_int,
    to_number,
)
from mmada.datasets.json_stream import read_members
from mmada.datasets.segment_map import label_areas
from mmada.evaluation.matching import Truth, TruthSegment

INSTANCE_OFFSET = 1000
"""mmdet labels a pixel with its class + 1000 x its instance."""


class ListedSegments(NamedTuple):
    """Map file and segments of one image, as small as can be.

    Attributes:
        file_name: Map file.
        segments: Id, category, area and crowd flag of each (n, 4).
    """

    file_name: str
    segments: NDArray[np.float64]


class CocoTruth:
    """The truth of a data set; maps are read when asked for and then kept.

    It is the same for every replica and round, and a map is small once it is
    held in runs. Of the annotation file only what is counted is kept, as
    numbers, and it is read piece by piece: the file may be that of all
    training images, of which few are evaluated, and every rank reads it.

    Args:
        ann_file: Annotation file of the COCO panoptic format.
        seg_prefix: Folder of the segment maps.
        backend_args: File backend of mmengine. Defaults to None.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If its content does not fit.
    """

    def __init__(
        self, ann_file: str, seg_prefix: str, backend_args: BackendArgs = None
    ) -> None:
        self._ann_file = ann_file
        self._seg_prefix = seg_prefix
        self._backend_args = backend_args
        self._kept: dict[int | str, Truth] = {}
        self.annotations: dict[int | str, ListedSegments] = {}
        content: dict[str, Any] = {}
        for key, value in read_members(ann_file, backend_args):
            if key == 'annotations':
                self._list_segments(value)
            content[key] = (
                list(check_list(ann_file, key, value))
                if key == 'categories'
                else None
            )
        self.categories = read_categories(content, ann_file)
        if 'annotations' not in content:
            read_annotations(content, ann_file)

    def __getitem__(self, image_id: int | str) -> Truth:
        """Return the truth of an image.

        Raises:
            OSError: If its map cannot be read.
            ValueError: If the image is unknown, a category of it is, or its
                map is no image.
        """
        if image_id not in self._kept:
            self._kept[image_id] = self._read(image_id)
        return self._kept[image_id]

    def _list_segments(self, annotations: Iterable[Mapping[str, Any]]) -> None:
        for image_id, found in iter_annotations(annotations, self._ann_file):
            rows = [self._row(i, image_id) for i in found.segments_info]
            self.annotations[image_id] = ListedSegments(
                found.file_name, np.array(rows, np.float64).reshape(-1, 4)
            )

    def _row(
        self, info: Mapping[str, Any], image_id: int | str
    ) -> tuple[int, int, float, int]:
        place = f'image {image_id}: a segment of {self._ann_file}'
        if not isinstance(info, Mapping):
            raise ValueError(f'{place} should be an object. Found {info!r}.')
        try:
            return (
                to_int(place, 'id', info['id']),
                to_int(place, 'category_id', info['category_id']),
                to_number(place, 'area', info['area']),
                to_int(place, 'iscrowd', info.get('iscrowd', 0)),
            )
        except KeyError as error:
            raise ValueError(
                f'{place} should have {error}. Found {sorted(info)}.'
            ) from None

    def _read(self, image_id: int | str) -> Truth:
        annotation = self.annotations.get(image_id)
        if annotation is None:
            raise ValueError(
                f'image {image_id!r} should be one of the '
                f'{len(self.annotations)} of {self._ann_file}. '
                'Found no annotation of it.'
            )
        listed = {}
        for row in annotation.segments.tolist():
            # Areas may be fractions; the reference takes them as they are.
            label, category, crowd = (int(row[k]) for k in (0, 1, 3))
            area = int(row[2]) if row[2].is_integer() else row[2]
            if category not in self.categories:
                raise ValueError(
                    f'image {image_id}: category_id of segment {label} of '
                    f'{self._ann_file} should be one of its categories. '
                    f'Found {category}.'
                )
            listed[label] = TruthSegment(category, area, crowd == 1)
        segments = read_segment_map(
            self._seg_prefix, annotation.file_name, self._backend_args
        )
        return Truth(segments, listed)


def wrong_areas(truth: Truth) -> list[int]:
    """Return the listed segments whose stated area is not that of the map.

    The reference believes the stated area, so its number is wrong for them.
    """
    areas = label_areas(truth.segments)
    return [
        label
        for label, segment in truth.listed.items()
        if label != VOID and areas.get(label, 0) != segment.area
    ]


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
        ValueError: If a class is not in the file or not once, stuff comes
            before a thing, or there are too many classes to be told apart.
    """
    _check_classes(classes, categories)
    ids = [c for c, category in categories.items() if category.name in classes]
    if len(ids) != len(classes):
        raise ValueError(
            '`classes` should name each category of the annotation file '
            f'once, and that file each once. Found {list(classes)} and '
            f'{[categories[c].name for c in ids]}.'
        )
    things = [categories[c].isthing for c in ids]
    if things != sorted(things, reverse=True):
        wrong = categories[ids[things.index(False)]].name
        raise ValueError(
            'Things should come before stuff in the categories '
            f'of the annotation file. Found {wrong!r} first.'
        )
    return ids


def _check_classes(
    classes: Sequence[str], categories: Mapping[int, Category]
) -> None:
    """Check that classes are names of categories, and not too many."""
    if isinstance(classes, str):
        raise ValueError(
            f'`classes` should be a tuple of names. Found {classes!r}.'
        )
    if len(classes) >= INSTANCE_OFFSET:
        raise ValueError(
            f'`classes` should be fewer than {INSTANCE_OFFSET}. '
            f'Found {len(classes)}.'
        )
    names = {c.name for c in categories.values()}
    missing = [name for name in classes if name not in names]
    if missing:
        raise ValueError(
            '`classes` should be category names of the annotation '
            f'file. Found {missing}.'
        )


def split_labels(
    labels: Collection[int], category_ids: Sequence[int], ignore_index: int
) -> tuple[dict[int, int], list[int]]:
    """Separate the segments of a panoptic map of mmdet from its void.

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
                f'{num_classes} classes. Found class {index}.'
            )
    return categories, void
