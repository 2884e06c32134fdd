"""Kinds of faults, what each does to training and PQ, and their counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple


class Kind(NamedTuple):
    """A kind of fault.

    Attributes:
        severity: An error makes training or PQ wrong, or stops them; a
            warning may be meant.
        title: What it is, after a number.
        effect: What it does, in a sentence.
    """

    severity: Literal['error', 'warning']
    title: str
    effect: str


def _error(title: str, effect: str) -> Kind:
    return Kind('error', title, effect)


def _warning(title: str, effect: str) -> Kind:
    return Kind('warning', title, effect)


KINDS = dict(
    # Files.
    missing_image=_error(
        'images without a file', 'Training and testing stop there.'
    ),
    missing_map=_error('maps without a file', 'Training and PQ stop there.'),
    extra_image=_warning(
        'image files that no entry names', 'They are never used.'
    ),
    extra_map=_warning(
        'map files that no entry names', 'They are never used.'
    ),
    unreadable_image=_error(
        'image files that are no image', 'Training stops there.'
    ),
    unreadable_map=_error(
        'map files that are no RGB image of 8 bits',
        'Training and PQ stop there.',
    ),
    image_size=_error(
        'images of another size than their entry states',
        'Images are filtered and put into batches by the stated size.',
    ),
    turned_image=_warning(
        'images that their EXIF orientation turns',
        'They are loaded as turned, and their maps and boxes as they are: '
        'both should be drawn on the turned image.',
    ),
    map_size=_error(
        'maps of another size than their image',
        'Training and PQ stop there.',
    ),
    # Entries.
    bad_fields=_error(
        'entries with a field missing or of the wrong type',
        'Loading stops there.',
    ),
    duplicate_image_id=_error(
        'image ids of several images',
        'Only the last of them is found; a split cannot be made.',
    ),
    duplicate_file_name=_error(
        'files with several images',
        'They are trained on and counted more than once.',
    ),
    duplicate_basename=_warning(
        'file names that differ in the folder only',
        "mmdet's own metric takes the map of one for the other's.",
    ),
    no_annotation=_error(
        'images without an annotation',
        'PQ stops there; in training there is nothing to find.',
    ),
    no_image=_warning('annotations of no image', 'They are never used.'),
    duplicate_annotation=_error(
        'images with several annotations',
        'Training takes all of them together, PQ the last.',
    ),
    other_map_name=_error(
        'maps that are not named as their image',
        'mmdet trains with the map of the name of the image, PQ reads the '
        'one that the annotation names.',
    ),
    # Segments.
    no_segments=_warning(
        'images without segments',
        'Training leaves them out by filter_empty_gt; all of them is void.',
    ),
    no_things=_warning(
        'images with stuff or crowds only',
        'Training leaves them out by filter_empty_gt.',
    ),
    duplicate_segment=_error(
        'segment ids that an image lists more than once',
        'Training takes the segment as often, PQ the last entry.',
    ),
    bad_segment_id=_error(
        'segment ids that a map cannot hold',
        '0 is void; three bytes hold no more than 16777215.',
    ),
    unknown_category=_error(
        'segments of an unknown category',
        'Training and PQ stop there.',
    ),
    bad_crowd=_error(
        'segments with iscrowd neither 0 nor 1',
        'Training takes them for a crowd, PQ does not.',
    ),
    crowd_stuff=_warning(
        'stuff marked as a crowd',
        'It is trained on, but a crowd for PQ: never found nor missed.',
    ),
    second_crowd=_warning(
        'crowds beside another of the same category',
        'PQ forgives what is predicted on the last of them only.',
    ),
    tiny_segment=_warning(
        'segments with no area, or a box below one pixel',
        'mmdet does not train on them; PQ counts them.',
    ),
    # Maps.
    unlisted_id=_error(
        'ids in maps that are not listed',
        'Nothing is learned there, and what is predicted there is wrong.',
    ),
    no_pixels=_error(
        'listed segments without a pixel',
        'Their empty mask is trained on, and PQ counts them as missed.',
    ),
    wrong_area=_error(
        'areas that are not those of the map',
        'PQ believes the stated area and is wrong, perhaps above 100.',
    ),
    wrong_box=_error(
        'boxes that are not those of the map',
        'Boxes of things are trained on as stated.',
    ),
    # Categories.
    duplicate_category=_error(
        'categories with the id or the name of another',
        'Labels are not what they seem.',
    ),
    bad_isthing=_error(
        'categories with isthing neither 0 nor 1',
        "mmdet takes '0' and 2 for a thing, the reference of PQ does not.",
    ),
    things_first=_error(
        'categories of things behind one of stuff',
        "mmdet's heads take the first classes for the things: PQ near 0.",
    ),
    missing_class=_error(
        'classes that the annotation file lacks',
        'The labels behind them are those of other classes.',
    ),
    extra_class=_error(
        'categories that the dataset does not know',
        'Training stops at the first segment of them.',
    ),
    class_order=_error(
        'classes in another place than in the annotation file',
        'Labels follow the file: a model of other data is scored wrongly, '
        'and names in tables and pictures are wrong.',
    ),
    other_kind=_error(
        'classes that are things here and stuff there',
        'They are trained as the one and scored as the other.',
    ),
    unused_category=_warning(
        'categories without a segment',
        'They are not learned, and have no PQ.',
    ),
    # Splits.
    bad_split=_error(
        'lists of images that do not fit', 'Training does not start.'
    ),
    overlap=_error(
        'images both trained on and scored',
        'The score is too good; a search rewards what it has seen.',
    ),
)


class Fault(NamedTuple):
    """A fault that was found: its kind, and where."""

    kind: str
    where: str


class Tally:
    """Counts faults and keeps the first of each kind.

    Args:
        examples: How many to keep.
    """

    def __init__(self, examples: int = 3) -> None:
        self._examples = examples
        self.counts: dict[str, int] = {}
        self.examples: dict[str, list[str]] = {}

    def add(self, faults: Iterable[Fault]) -> None:
        """Count faults."""
        for kind, where in faults:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            kept = self.examples.setdefault(kind, [])
            if len(kept) < self._examples:
                kept.append(where)

    def of(self, severity: str) -> list[str]:
        """Return the kinds of a severity that were found."""
        return [k for k in self.counts if KINDS[k].severity == severity]
