"""COCO panoptic annotation files and segment maps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from mmengine.fileio import get, join_path

from mmada.datasets.id_maps import VOID, decode_id_map

from .counting import Truth, TruthSegment
from .segment_map import SegmentMap, label_areas, to_segment_map

BackendArgs = dict[str, Any] | None


class Category(NamedTuple):
    """Name and kind of a category."""

    name: str
    isthing: bool


class Annotation(NamedTuple):
    """Map file and ``segments_info`` of one image."""

    file_name: str
    segments_info: list[dict[str, Any]]


def read_json(path: str, backend_args: BackendArgs = None) -> dict[str, Any]:
    """Read an annotation file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no JSON object.
    """
    try:
        content = json.loads(get(path, backend_args=backend_args))
    except ValueError as error:
        raise ValueError(f'{path} should be JSON: {error}') from None
    if not isinstance(content, dict):
        raise ValueError(
            f'{path} should hold a JSON object, found {type(content).__name__}'
        )
    return content


def read_categories(
    content: Mapping[str, Any], path: str
) -> dict[int, Category]:
    """Return the categories of an annotation file by id, in its order.

    Raises:
        ValueError: If there are none or a field is missing.
    """
    try:
        categories = {
            int(c['id']): Category(str(c['name']), bool(c['isthing']))
            for c in content['categories']
        }
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'{path} should have categories with id, name and '
            f'isthing, found none at {error}'
        ) from None
    if not categories:
        raise ValueError(f'{path} should have categories, found none')
    return categories


def read_annotations(
    content: Mapping[str, Any], path: str
) -> dict[int | str, Annotation]:
    """Return the annotations of an annotation file by image id.

    Raises:
        ValueError: If a field is missing.
    """
    try:
        return {
            a['image_id']: Annotation(a['file_name'], a['segments_info'])
            for a in content['annotations']
        }
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'{path} should have annotations with image_id, file_name and '
            f'segments_info, found none at {error}'
        ) from None


def read_segment_map(
    folder: str, file_name: str, backend_args: BackendArgs = None
) -> SegmentMap:
    """Read a segment map.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no image.
    """
    path = join_path(folder, file_name, backend_args=backend_args)
    try:
        return to_segment_map(
            decode_id_map(get(path, backend_args=backend_args))
        )
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


class CocoTruth:
    """The truth of a data set, read when asked for and then kept.

    It is the same for every replica and round, and a map is small once it is
    held in runs.

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
        content = read_json(ann_file, backend_args)
        self.categories = read_categories(content, ann_file)
        self.annotations = read_annotations(content, ann_file)
        self._ann_file = ann_file
        self._seg_prefix = seg_prefix
        self._backend_args = backend_args
        self._kept: dict[int | str, Truth] = {}

    def __getitem__(self, image_id: int | str) -> Truth:
        """Return the truth of an image.

        Raises:
            OSError: If its map cannot be read.
            ValueError: If the image is unknown or its annotation wrong.
        """
        if image_id not in self._kept:
            self._kept[image_id] = self._read(image_id)
        return self._kept[image_id]

    def _read(self, image_id: int | str) -> Truth:
        annotation = self.annotations.get(image_id)
        if annotation is None:
            raise ValueError(
                f'image {image_id!r} should be one of the '
                f'{len(self.annotations)} of {self._ann_file}, '
                'found no annotation of it'
            )
        listed = {
            s[0]: s[1]
            for s in (
                self._segment(info, image_id)
                for info in annotation.segments_info
            )
        }
        segments = read_segment_map(
            self._seg_prefix, annotation.file_name, self._backend_args
        )
        return Truth(segments, listed)

    def _segment(
        self, info: Mapping[str, Any], image_id: int | str
    ) -> tuple[int, TruthSegment]:
        try:
            segment = TruthSegment(
                int(info['category_id']),
                int(info['area']),
                int(info.get('iscrowd', 0)) == 1,
            )
            label = int(info['id'])
        except KeyError as error:
            raise ValueError(
                f'image {image_id}: a segment of '
                f'{self._ann_file} should have {error}, found '
                f'{sorted(info)}'
            ) from None
        if segment.category not in self.categories:
            raise ValueError(
                f'image {image_id}: segment {label} of {self._ann_file} has '
                f'the unknown category_id {segment.category}'
            )
        return label, segment


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
