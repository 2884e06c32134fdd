"""The segments that an annotation lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmada.datasets.id_maps import MAX_ID, VOID
from mmada.datasets.image_ids import ImageId
from mmada.datasets.panoptic_check.faults import Fault

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
    for name, kinds in types.items():
        if not isinstance(info.get(name), kinds):
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
