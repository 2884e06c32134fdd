"""Entries of an annotation file about images, and their files."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mmada.datasets.image_ids import ImageId

from mmada.datasets.panoptic_check.faults import Fault


class ImageEntry(NamedTuple):
    """An image as ``images`` of an annotation file states it."""

    id: ImageId
    file_name: str
    height: int
    width: int


def parse_image(entry: Any, index: int) -> ImageEntry | Fault:
    """Return an entry of ``images``, or what is wrong with it.

    Args:
        entry: What the file holds.
        index: Its place in the list.
    """
    types: dict[str, Any] = dict(
        id=(int, str), file_name=str, height=int, width=int
    )
    for name, kinds in types.items():
        if not isinstance(entry, Mapping) or not isinstance(
            entry.get(name), kinds
        ):
            return Fault('bad_fields', f'entry {index} of images: {name}')
    return ImageEntry(*(entry[name] for name in types))


def check_images(images: Sequence[ImageEntry]) -> list[Fault]:
    """Check that ids and names are each image's own."""
    names = {image.file_name for image in images}
    return [
        Fault(kind, text.format(value))
        for kind, text, values in (
            ('duplicate_image_id', 'id {!r}', (i.id for i in images)),
            ('duplicate_file_name', '{}', (i.file_name for i in images)),
            ('duplicate_basename', '{}', map(posixpath.basename, names)),
        )
        for value in _repeated(values)
    ]


def check_annotated(
    image_ids: Iterable[ImageId], annotated: Sequence[ImageId]
) -> list[Fault]:
    """Check that every image has one annotation.

    Args:
        image_ids: Of ``images``.
        annotated: ``image_id`` of every entry of ``annotations``.
    """
    known, there = dict.fromkeys(image_ids), set(annotated)
    return [
        *(
            Fault('no_annotation', f'image {i}')
            for i in known
            if i not in there
        ),
        *(
            Fault('no_image', f'image_id {i}')
            for i in annotated
            if i not in known
        ),
        *(
            Fault('duplicate_annotation', f'image {i}')
            for i in _repeated(annotated)
        ),
    ]


def check_map_name(image: ImageEntry, map_name: str) -> list[Fault]:
    """Check that training reads the map that the annotation names."""
    expected = image.file_name.replace('.jpg', '.png')
    if map_name == expected:
        return []
    where = f'image {image.id}: {map_name}, not {expected}'
    return [Fault('other_map_name', where)]


def check_files(
    what: str, named: Iterable[str], there: Collection[str]
) -> list[Fault]:
    """Check that files and entries belong together.

    Args:
        what: 'image' or 'map'.
        named: Names in the annotation file.
        there: Names in the folder.
    """
    wanted = dict.fromkeys(named)
    return [
        *(Fault(f'missing_{what}', n) for n in wanted if n not in there),
        *(Fault(f'extra_{what}', n) for n in there if n not in wanted),
    ]


def _repeated(values: Iterable[Hashable]) -> list[Hashable]:
    return [value for value, count in Counter(values).items() if count > 1]
