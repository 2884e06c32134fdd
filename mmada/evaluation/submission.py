"""Predictions as files that COCO's evaluation server takes.

The server wants ``panoptic_{set}_{name}_results.json`` next to a folder of
segment maps ``panoptic_{set}_{name}_results``, both in one zip file. What
was written is read again, to find what the server would reject.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import (
    VOID,
    Annotation,
    id_to_rgb,
    read_annotations,
    read_json,
    read_segment_map,
    write_png,
)
from mmada.datasets.segment_map import label_areas, to_segment_map
from mmada.evaluation.coco_truth import split_labels

MAX_SHOWN = 5
"""Problems of a kind that are spelled out."""


def to_segments(
    labels: NDArray[np.integer],
    category_ids: Sequence[int],
    ignore_index: int,
) -> tuple[NDArray[np.integer], list[dict[str, Any]]]:
    """Turn a panoptic map of mmdet into segments with ids of their own.

    The ids are 1, 2 and so on: mmdet's labels would give the first class,
    where it is stuff, the id of void.

    Args:
        labels: Class + 1000 x instance of each pixel.
        category_ids: Category id of each class.
        ignore_index: Class that is void, besides ``len(category_ids)``.

    Returns:
        The map of ids, and ``segments_info``.

    Raises:
        ValueError: If a label has an unknown class.
    """
    runs = to_segment_map(labels)
    areas = label_areas(runs)
    categories, _ = split_labels(areas, category_ids, ignore_index)
    ids = np.full(len(areas), VOID, dtype=np.int32)
    segments: list[dict[str, Any]] = []
    for k, (label, area) in enumerate(areas.items()):
        if label in categories:
            ids[k] = len(segments) + 1
            segments.append(
                dict(
                    id=int(ids[k]),
                    category_id=categories[label],
                    area=area,
                )
            )
    segment_map = np.repeat(ids[runs.owners], runs.lengths)
    return segment_map.reshape(labels.shape), segments


class SubmissionWriter:
    """Writes the maps one by one, and at the end the JSON and the zip file.

    A context manager; nothing but maps is left behind by an error.

    Args:
        out_dir: Folder to make or to fill.
        name: What the method is called.
        image_set: Name of the images, such as 'test-dev2017'.

    Raises:
        ValueError: If the folder holds maps already.
    """

    def __init__(self, out_dir: str | Path, name: str, image_set: str) -> None:
        stem = f'panoptic_{image_set}_{name}_results'
        self.folder = Path(out_dir) / stem
        self.json_path = Path(out_dir) / f'{stem}.json'
        self.zip_path = Path(out_dir) / f'{stem}.zip'
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise ValueError(
                f'{self.folder} should be empty or new. Found files. Choose '
                'another name or remove them.'
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._records: dict[int | str, dict[str, Any]] = {}
        self._names: set[str] = set()

    def add(
        self,
        image_id: int | str,
        file_name: str,
        ids: NDArray[np.integer],
        segments: list[dict[str, Any]],
    ) -> None:
        """Write the map of an image.

        Args:
            image_id: The image; of two predictions the first counts.
            file_name: Its photograph.
            ids: Map of segment ids.
            segments: ``segments_info``.

        Raises:
            ValueError: If another image has a map of this name.
        """
        if image_id in self._records:
            return
        name = PurePosixPath(file_name).with_suffix('.png').name
        if name in self._names:
            raise ValueError(
                f'image {image_id}: file names should differ without their '
                f'folder and suffix. Found a second {name}.'
            )
        write_png(self.folder / name, id_to_rgb(ids))
        self._names.add(name)
        self._records[image_id] = dict(
            image_id=image_id, file_name=name, segments_info=segments
        )

    def __enter__(self) -> SubmissionWriter:
        """Start to write."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the JSON and the zip file if all went well."""
        if kind is not None:
            return
        content = dict(annotations=list(self._records.values()))
        self.json_path.write_text(json.dumps(content))
        with zipfile.ZipFile(self.zip_path, 'w') as archive:
            archive.write(
                self.json_path, self.json_path.name, zipfile.ZIP_DEFLATED
            )
            for path in sorted(self.folder.iterdir()):
                # PNG files are compressed already.
                archive.write(path, f'{self.folder.name}/{path.name}')


def check_submission(
    json_path: str | Path,
    folder: str | Path,
    images: Sequence[Mapping[str, Any]],
    categories: Collection[int],
) -> list[str]:
    """Return what is wrong with the files of a submission, best nothing.

    Args:
        json_path: Its JSON file.
        folder: Its segment maps.
        images: ``images`` of the image info: ``id``, ``height``, ``width``.
        categories: The category ids that exist.

    Raises:
        OSError: If the JSON file cannot be read.
        ValueError: If it has another layout, or an image two records.
    """
    found = read_annotations(read_json(str(json_path)), str(json_path))
    wanted = {image['id']: image for image in images}
    problems = list(_check_images(found, wanted))
    for image_id in wanted.keys() & found.keys():
        problems += [
            f'image {image_id}: {text}'
            for text in _check_image(
                found[image_id], str(folder), wanted[image_id], categories
            )
        ]
    return problems


def _check_images(
    found: Mapping[Any, Annotation], wanted: Mapping[Any, Any]
) -> Iterator[str]:
    if missing := wanted.keys() - found.keys():
        yield f'{len(missing)} images have no record: {_some(missing)}'
    if unknown := found.keys() - wanted.keys():
        yield f'{len(unknown)} records are of other images: {_some(unknown)}'


def _check_image(
    annotation: Annotation,
    folder: str,
    image: Mapping[str, Any],
    categories: Collection[int],
) -> Iterator[str]:
    try:
        segments = read_segment_map(folder, annotation.file_name)
    except (OSError, ValueError) as error:
        yield f'the segment map cannot be read: {error}'
        return
    size = (image['height'], image['width'])
    if segments.shape != size:
        yield f'the map is {segments.shape}, the image {size}'
    listed = [s['id'] for s in annotation.segments_info]
    areas = {k: v for k, v in label_areas(segments).items() if k != VOID}
    if len(set(listed)) != len(listed) or set(listed) != areas.keys():
        yield f'ids {sorted(listed)} are listed, the map has {sorted(areas)}'
    used = {s['category_id'] for s in annotation.segments_info}
    if unknown := used - set(categories):
        yield f'category_id {sorted(unknown)} are unknown'
    wrong = [
        s['id']
        for s in annotation.segments_info
        if s.get('area', areas.get(s['id'])) != areas.get(s['id'])
    ]
    if wrong:
        yield f'the areas of segments {wrong} are not those of the map'


def check_archive(
    zip_path: str | Path, json_path: str | Path, folder: str | Path
) -> list[str]:
    """Return what is wrong with the zip file, best nothing.

    Args:
        zip_path: The zip file.
        json_path: The JSON file that it should hold.
        folder: The segment maps that it should hold.

    Raises:
        OSError: If it cannot be read.
    """
    folder, json_path = Path(folder), Path(json_path)
    expected = {json_path.name: json_path} | {
        f'{folder.name}/{path.name}': path for path in folder.iterdir()
    }
    with zipfile.ZipFile(zip_path) as archive:
        sizes = {i.filename: i.file_size for i in archive.infolist()}
    other = {
        name
        for name in expected.keys() & sizes.keys()
        if sizes[name] != expected[name].stat().st_size
    }
    return [
        f'{zip_path} {text}: {_some(names)}'
        for text, names in (
            ('has files that it should not', sizes.keys() - expected.keys()),
            ('lacks files', expected.keys() - sizes.keys()),
            ('has files of another size', other),
        )
        if names
    ]


def _some(ids: Collection[Any]) -> str:
    shown = ', '.join(map(repr, sorted(ids, key=str)[:MAX_SHOWN]))
    return shown + (' ...' if len(ids) > MAX_SHOWN else '')
