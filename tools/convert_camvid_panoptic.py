"""Convert CamVid to the COCO panoptic format, 4 things and 7 stuff.

The folder should hold images (PNG or JPEG, of any size) and maps of 11
classes, in the split of the SegNet tutorial:

    {train,val,test}/*  {train,val,test}annot/*.png

Into another folder are written the images `{train,val,test}/*.png`, the
annotations `annotations/panoptic_{train,val,test}.json` and the segment maps
beside them, the things alone as `annotations/instances_{train,val,test}.json`
for a detector, and `annotations/panoptic_train_reward.txt`: the training
images of the sequences that are held out to reward a search. Neighbouring
frames of a video are alike, so a random split would not hold anything out.

python tools/convert_camvid_panoptic.py data/CamVid data/camvid_panoptic \\
    --size 240 180
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from mmada.commands.common import one_line_errors
from mmada.datasets.camvid_panoptic import (
    MAX_SEGMENTS,
    THINGS,
    camvid_categories,
    camvid_segments,
)
from mmada.datasets.coco_panoptic import id_to_rgb, read_image, write_png
from mmada.datasets.image_subset import ImageIdList, digest_ids, format_ids
from mmada.datasets.parallel import DEFAULT_WORKERS, ordered_map, with_progress

SPLITS = ('train', 'val', 'test')
SUFFIXES = ('.png', '.jpg', '.jpeg')


class Converted(NamedTuple):
    """The entries of an image in the annotation files.

    Attributes:
        image: In ``images`` of both.
        panoptic: In ``annotations`` of the panoptic one.
        instances: Its things, in ``annotations`` of the other one.
    """

    image: dict[str, Any]
    panoptic: dict[str, Any]
    instances: list[dict[str, Any]]


class Options(NamedTuple):
    """What to convert, and how.

    Attributes:
        root: Folder of the published layout.
        out: Folder to write.
        size: Width and height of images and maps; None for their own.
        min_area: Pixels of the smallest thing, at 320x240.
    """

    root: Path
    out: Path
    size: tuple[int, int] | None
    min_area: float


def resize(
    image: NDArray[np.uint8], size: tuple[int, int], interpolation: int
) -> NDArray[np.uint8]:
    """Return an image of a width and height."""
    return cv2.resize(image, size, interpolation=interpolation).astype(
        np.uint8, copy=False
    )


def describe_instance(
    ids: NDArray[np.int32], segment: Mapping[str, Any], image_id: int | str
) -> dict[str, Any]:
    """Return a segment as an object of a COCO detection file.

    Args:
        ids: Map of the image's segment ids, (H, W).
        segment: Its entry of ``segments_info``.
        image_id: Id of the image.
    """
    mask = np.asfortranarray(ids == segment['id'], np.uint8)
    encoded = mask_api.encode(mask)
    return dict(
        segment,
        image_id=image_id,
        segmentation=dict(encoded, counts=encoded['counts'].decode()),
    )


def convert_image(
    options: Options, split: str, task: tuple[int, Path]
) -> Converted:
    """Convert one image and write it with its segment map.

    Args:
        options: What to convert, and how.
        split: One of `SPLITS`.
        task: Index and path of the image.

    Returns:
        Its entries in the annotation files.

    Raises:
        OSError: If a file cannot be read or written.
        ValueError: If its files do not fit.
    """
    index, path = task
    name = f'{path.stem}.png'
    image = read_image(path, 3)
    classes = read_image(options.root / f'{split}annot' / name, 1)
    if image.shape[:2] != classes.shape:
        raise ValueError(
            f'{path} should have the size {classes.shape} of its map. Found '
            f'{image.shape[:2]}.'
        )
    if options.size:
        image = resize(image, options.size, cv2.INTER_AREA)
        classes = resize(classes, options.size, cv2.INTER_NEAREST)
    try:
        ids, segments = camvid_segments(
            classes, options.min_area, 1 + index * MAX_SEGMENTS
        )
    except ValueError as error:
        raise ValueError(f'{split}/{path.name}: {error}') from None
    write_png(options.out / split / name, image)
    maps = options.out / 'annotations' / f'panoptic_{split}'
    write_png(maps / name, id_to_rgb(ids))
    height, width = classes.shape
    instances = [
        describe_instance(ids, segment, path.stem)
        for segment in segments
        if segment['category_id'] < len(THINGS)
    ]
    return Converted(
        dict(id=path.stem, file_name=name, height=height, width=width),
        dict(image_id=path.stem, file_name=name, segments_info=segments),
        instances,
    )


def convert_split(options: Options, split: str, workers: int) -> list[str]:
    """Convert a split and print what was found.

    Returns:
        The ids of its images.

    Raises:
        OSError: If a file cannot be read or written.
        ValueError: If the files do not fit.
    """
    folder = options.root / split
    paths = sorted(p for p in folder.glob('*') if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(
            f'{folder} should hold images, PNG or JPEG. Found none.'
        )
    target = options.out / 'annotations' / f'panoptic_{split}.json'
    for made in (options.out / split, target.with_suffix('')):
        made.mkdir(parents=True, exist_ok=True)
    convert = partial(convert_image, options, split)
    results = ordered_map(convert, enumerate(paths), workers)
    found = list(with_progress(results, len(paths), split))
    images = [each.image for each in found]
    categories = camvid_categories()
    panoptic = [each.panoptic for each in found]
    instances = [each for image in found for each in image.instances]
    for name, entries, kinds in (
        ('panoptic', panoptic, categories),
        ('instances', instances, categories[: len(THINGS)]),
    ):
        content = dict(images=images, annotations=entries, categories=kinds)
        file = target.with_name(f'{name}_{split}.json')
        file.write_text(json.dumps(content))
    segments = sum(len(each['segments_info']) for each in panoptic)
    print(f'{target}: {len(found)} images, {segments} segments')
    return [path.stem for path in paths]


def write_reward_ids(
    target: Path, ids: Sequence[str], sequences: Sequence[str]
) -> None:
    """Write the list of the training images that are held out.

    Args:
        target: The file.
        ids: Ids of all training images.
        sequences: What the ids of those that are held out begin with, up to
            the first underscore.

    Raises:
        ValueError: If a sequence has no images, or none other is left.
    """
    known = sorted({each.partition('_')[0] for each in ids})
    if not set(sequences) < set(known):
        raise ValueError(
            f'`--reward` should be some of the sequences {known}, not all. '
            f'Found {list(sequences)}.'
        )
    held_out = [each for each in ids if each.partition('_')[0] in sequences]
    notes = dict(
        source='panoptic_train.json', rule=f'sequence {" ".join(sequences)}'
    )
    content = ImageIdList(tuple(held_out), len(ids), digest_ids(ids), notes)
    target.write_text(format_ids(content))
    print(f'{target}: {len(held_out)} of {len(ids)} images held out')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('root', type=Path, help='CamVid as published')
    parser.add_argument('out', type=Path, help='folder to write')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('WIDTH', 'HEIGHT'),
        help='of images and maps; their own unless given',
    )
    parser.add_argument(
        '--min-area',
        type=float,
        default=30.0,
        help='pixels of the smallest thing at 320x240; at another size the '
        'same share of the image',
    )
    parser.add_argument(
        '--reward',
        nargs='+',
        default=['0006R0'],
        metavar='SEQUENCE',
        help='sequences of the training images that are held out',
    )
    parser.add_argument('--workers', type=int, default=DEFAULT_WORKERS)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Convert the splits."""
    args = parse_args(argv)
    size = tuple(args.size) if args.size else None
    options = Options(args.root, args.out, size, args.min_area)
    with one_line_errors('convert_camvid_panoptic'):
        if size and min(size) < 1:
            raise ValueError(
                f'`--size` should be at least 1 pixel. Found {args.size}.'
            )
        ids = {
            split: convert_split(options, split, args.workers)
            for split in SPLITS
        }
        listed = args.out / 'annotations' / 'panoptic_train_reward.txt'
        write_reward_ids(listed, ids['train'], args.reward)


if __name__ == '__main__':
    main()
