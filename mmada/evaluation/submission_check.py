"""Reads a submission again and looks for what the server would refuse."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmada.datasets.coco_panoptic import (
    Annotation,
    read_annotations,
    read_json,
    read_segment_map,
)
from mmada.datasets.id_maps import VOID
from mmada.datasets.segment_map import label_areas

MAX_SHOWN = 5
"""Problems of a kind that are spelled out."""


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
        ValueError: If it has another layout.
    """
    content = read_json(str(json_path))
    found = read_annotations(content, str(json_path))
    wanted = {image['id']: image for image in images}
    problems = list(_check_images(content, found, wanted))
    for image_id in wanted.keys() & found.keys():
        problems += [
            f'image {image_id}: {text}'
            for text in _check_image(
                found[image_id], str(folder), wanted[image_id], categories
            )
        ]
    return problems


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


def _check_images(
    content: Mapping[str, Any],
    found: Mapping[Any, Annotation],
    wanted: Mapping[Any, Any],
) -> Iterator[str]:
    if len(found) != len(content['annotations']):
        yield 'an image has more than one record'
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


def _some(ids: Collection[Any]) -> str:
    shown = ', '.join(map(repr, sorted(ids, key=str)[:MAX_SHOWN]))
    return shown + (' ...' if len(ids) > MAX_SHOWN else '')
