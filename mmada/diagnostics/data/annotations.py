"""What an annotation file lists: images, categories and segments."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import (
    Collection,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, NamedTuple

from mmada.datasets.coco_panoptic import MAX_ID, VOID, is_flag
from mmada.datasets.image_subset import ImageId
from mmada.diagnostics.data.faults import Fault


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
    for name, expected in types.items():
        if not isinstance(entry, Mapping) or not isinstance(
            entry.get(name), expected
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
    faults = [
        *_duplicates(categories),
        *_flags(categories),
        *_things_first(categories),
    ]
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
    types: dict[str, Any] = dict(id=int, name=str, isthing=object)
    for k, category in enumerate(categories):
        for name, expected in types.items():
            if (
                not isinstance(category, Mapping)
                or name not in category
                or not isinstance(category[name], expected)
            ):
                yield Fault('bad_fields', f'category {k} of the list: {name}')


def _flags(categories: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    for category in categories:
        if not is_flag(category['isthing']):
            where = f'{category["name"]}: {category["isthing"]!r}'
            yield Fault('bad_isthing', where)


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
    if isinstance(metainfo['classes'], str):
        where = f'the text {metainfo["classes"]!r}, not a tuple of names'
        yield Fault('missing_class', where)
        return
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


Box = tuple[float, float, float, float]


class Segment(NamedTuple):
    """One of ``segments_info``; the box is (x, y, width, height)."""

    id: int
    category: int
    area: float
    box: Box
    crowd: int


def parse_segments(
    image_id: ImageId, listed: Any
) -> tuple[list[Segment], list[Fault]]:
    """Return the segments of an image, and what is wrong with the others.

    Args:
        image_id: Image, for the faults.
        listed: ``segments_info`` of an annotation.
    """
    if not isinstance(listed, Sequence):
        return [], [Fault('bad_fields', f'image {image_id}: segments_info')]
    segments, faults = [], []
    for index, info in enumerate(listed):
        wrong = _wrong_field(info)
        if wrong:
            where = f'image {image_id}: {wrong} of segment {index} of the list'
            faults.append(Fault('bad_fields', where))
        else:
            fields = info['id'], info['category_id'], info['area']
            crowd = info.get('iscrowd', 0)
            segments.append(Segment(*fields, tuple(info['bbox']), crowd))
    return segments, faults


def check_segments(
    image_id: ImageId,
    segments: Sequence[Segment],
    things: Mapping[int, bool],
) -> list[Fault]:
    """Check the segments that an image lists.

    Args:
        image_id: The image.
        segments: Its segments.
        things: Of each category, whether it is a thing.
    """
    found = [*_check_each(segments, things), *_check_crowds(segments, things)]
    faults = [Fault(k, f'image {image_id}: {text}') for k, text in found]
    if not segments:
        faults.append(Fault('no_segments', f'image {image_id}'))
    elif not any(_is_trained_on(s, things) for s in segments):
        faults.append(Fault('no_things', f'image {image_id}'))
    return faults


def _wrong_field(info: Any) -> str:
    if not isinstance(info, Mapping):
        return 'everything'
    types: dict[str, Any] = dict(
        id=int, category_id=int, area=(int, float), bbox=Sequence
    )
    for name, expected in types.items():
        if not isinstance(info.get(name), expected):
            return name
    box = info['bbox']
    if len(box) != 4 or not all(isinstance(x, (int, float)) for x in box):
        return 'bbox'
    return ''


def _check_each(
    segments: Sequence[Segment], things: Mapping[int, bool]
) -> Iterator[tuple[str, str]]:
    seen = set()
    for s in segments:
        name = f'segment {s.id}'
        if s.id in seen:
            yield 'duplicate_segment', name
        seen.add(s.id)
        if not VOID < s.id <= MAX_ID:
            yield 'bad_segment_id', name
        if s.category not in things:
            yield 'unknown_category', f'{name}, category {s.category}'
        if _is_tiny(s):
            yield 'tiny_segment', name


def _check_crowds(
    segments: Sequence[Segment], things: Mapping[int, bool]
) -> Iterator[tuple[str, str]]:
    crowds = set()
    for s in segments:
        name = f'segment {s.id}'
        if s.crowd not in (0, 1):
            yield 'bad_crowd', f'{name}, iscrowd {s.crowd!r}'
        elif s.crowd:
            if not things.get(s.category, True):
                yield 'crowd_stuff', name
            if s.category in crowds:
                yield 'second_crowd', name
            crowds.add(s.category)


def _is_trained_on(segment: Segment, things: Mapping[int, bool]) -> bool:
    is_thing = things.get(segment.category, False)
    return is_thing and not segment.crowd and not _is_tiny(segment)


def _is_tiny(segment: Segment) -> bool:
    return segment.area <= 0 or min(segment.box[2:]) < 1


def check_apart(
    trained: Collection[str], scored: Collection[str], names: tuple[str, str]
) -> list[Fault]:
    """Check that no image is both trained on and scored.

    Args:
        trained: Paths of images.
        scored: Paths of images.
        names: Names of the two, for the faults.
    """
    both = sorted(set(trained) & set(scored))
    return [
        Fault('overlap', f'{path} in {" and ".join(names)}') for path in both
    ]
