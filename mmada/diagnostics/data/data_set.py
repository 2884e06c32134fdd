"""A whole panoptic data set, read and checked in little memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mmada.datasets.image_subset import ImageId
from mmada.datasets.json_stream import read_members
from mmada.datasets.parallel import ordered_map, with_progress
from mmada.diagnostics.data.annotations import (
    ImageEntry,
    check_annotated,
    check_categories,
    check_files,
    check_images,
    parse_image,
    unused_categories,
)
from mmada.diagnostics.data.faults import Fault, Tally
from mmada.diagnostics.data.images import (
    DataSet,
    Task,
    check_image,
    names_a_map,
)

NEEDED = ('images', 'annotations', 'categories')


class Checked(NamedTuple):
    """What was found.

    Attributes:
        data: The data set.
        images: File name of each image.
        opened: Number of images that were opened.
        tally: The faults.
    """

    data: DataSet
    images: dict[ImageId, str]
    opened: int
    tally: Tally


def check_data_set(data: DataSet, sample: int | None, workers: int) -> Checked:
    """Check a data set.

    Args:
        data: Where it is.
        sample: How many images to open, all unless given.
        workers: Number of processes.

    Raises:
        OSError: If the annotation file or a folder cannot be read.
        ValueError: If the annotation file is none.
    """
    tally = Tally()
    images, categories = _read_lists(data.ann_file, tally)
    faults = check_categories(categories, data.metainfo)
    tally.add(faults + check_images(images))
    if any(fault.kind == 'bad_fields' for fault in faults):
        categories = []
    things = {c['id']: bool(c['isthing']) for c in categories}
    opened = choose(images, sample)
    reader = _Reader(data, {i.id: i for i in images}, opened)
    results = ordered_map(
        partial(check_image, data, things), reader.tasks(), workers
    )
    used: set[int] = set()
    name = Path(data.ann_file).name
    for found, seen in with_progress(results, len(images), name):
        tally.add(found)
        used |= seen
    tally.add(check_annotated([i.id for i in images], reader.image_ids))
    names = [i.file_name for i in images]
    tally.add(check_files('image', names, _files(data.img_dir)))
    tally.add(check_files('map', reader.map_names, _files(data.seg_dir)))
    tally.add(unused_categories(categories, used))
    return Checked(
        data, {i.id: i.file_name for i in images}, len(opened), tally
    )


def choose(images: list[ImageEntry], sample: int | None) -> set[ImageId]:
    """Return the ids of as many images, spread evenly over the list."""
    total = len(images)
    number = total if sample is None else min(sample, total)
    return {images[k * total // number].id for k in range(number)}


class _Reader:
    """The annotations of a file; remembers what they are of."""

    def __init__(
        self,
        data: DataSet,
        images: Mapping[ImageId, ImageEntry],
        opened: set[ImageId],
    ) -> None:
        self._data = data
        self._images = images
        self._opened = opened
        self.image_ids: list[ImageId] = []
        self.map_names: list[str] = []

    def tasks(self) -> Iterator[Task]:
        for key, value in read_members(self._data.ann_file):
            for annotation in value if key == 'annotations' else ():
                yield self._task(annotation)

    def _task(self, annotation: Any) -> Task:
        if not names_a_map(annotation):
            return Task(annotation, None, False)
        image_id = annotation['image_id']
        self.image_ids.append(image_id)
        self.map_names.append(annotation['file_name'])
        image = self._images.get(image_id)
        return Task(annotation, image, image_id in self._opened)


def _read_lists(
    ann_file: str, tally: Tally
) -> tuple[list[ImageEntry], list[Any]]:
    images: list[ImageEntry] = []
    categories: list[Any] = []
    found = set()
    for key, value in read_members(ann_file):
        found.add(key)
        if key == 'categories':
            categories = list(value)
        for k, entry in enumerate(value if key == 'images' else ()):
            image = parse_image(entry, k)
            if isinstance(image, Fault):
                tally.add([image])
            else:
                images.append(image)
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise ValueError(f'{ann_file} should have {missing}. Found none.')
    return images, categories


def _files(folder: str) -> set[str]:
    if not os.path.isdir(folder):
        raise NotADirectoryError(f'{folder} should be a folder. Found none.')
    return {
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, names in os.walk(folder)
        for name in names
    }
