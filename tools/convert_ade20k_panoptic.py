"""Convert ADE20K to the COCO panoptic format, 100 things and 50 stuff.

The folder should hold the scene parsing release and the instance annotations:

    images/{training,validation}/*.jpg
    annotations/{training,validation}/*.png
    annotations_instance/{training,validation}/*.png

Into it are written `ade20k_panoptic_{train,val}.json` and the segment maps
`ade20k_panoptic_{train,val}/*.png`, under the names that mmdet's configs have.

python tools/convert_ade20k_panoptic.py data/ADEChallengeData2016
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from mmada.commands.common import one_line_errors
from mmada.datasets.ade20k_panoptic import (
    MAX_SEGMENTS,
    ade20k_categories,
    disagreement,
    merge_maps,
)
from mmada.datasets.coco_panoptic import id_to_rgb, read_image, write_png
from mmada.datasets.parallel import DEFAULT_WORKERS, ordered_map, with_progress

SPLITS = dict(train='training', val='validation')
MOST_WRONG = 0.5

Converted = tuple[dict[str, Any], dict[str, Any], tuple[int, int]]


def convert_image(root: Path, split: str, task: tuple[int, str]) -> Converted:
    """Convert one image and write its segment map.

    Args:
        root: Folder of the release.
        split: 'train' or 'val'.
        task: Index and file name of the image.

    Returns:
        Its entries of ``images`` and ``annotations``, and `disagreement`.

    Raises:
        OSError: If a file cannot be read or written.
        ValueError: If its maps do not fit.
    """
    index, name = task
    part, stem = SPLITS[split], Path(name).stem
    photograph = cv2.imread(str(root / 'images' / part / name))
    semantic_path = root / 'annotations' / part / f'{stem}.png'
    instance_path = root / 'annotations_instance' / part / f'{stem}.png'
    semantic = read_image(semantic_path, 1)
    instance = read_image(instance_path, 3)
    size = None if photograph is None else photograph.shape[:2]
    try:
        if size != semantic.shape:
            raise ValueError(
                f'the image should have the size {semantic.shape} of its '
                f'semantic map. Found {size}.'
            )
        # Ids are unique in the data set: mmdet looks annotations up by id,
        # and would go through all images that share one.
        first_id = 1 + index * MAX_SEGMENTS
        ids, segments = merge_maps(semantic, instance, first_id)
        rgb = id_to_rgb(ids)
    except ValueError as error:
        raise ValueError(f'{part}/{name}: {error}') from None
    write_png(root / f'ade20k_panoptic_{split}' / f'{stem}.png', rgb)
    height, width = semantic.shape
    return (
        dict(id=stem, file_name=name, height=height, width=width),
        dict(image_id=stem, file_name=f'{stem}.png', segments_info=segments),
        disagreement(semantic, instance),
    )


def convert_split(root: Path, split: str, workers: int) -> None:
    """Convert a split and print what was found.

    Raises:
        OSError: If a file cannot be read or written.
        ValueError: If the files do not fit.
    """
    part, target = SPLITS[split], root / f'ade20k_panoptic_{split}.json'
    names = sorted(p.name for p in (root / 'images' / part).glob('*.jpg'))
    if not names:
        raise ValueError(
            f'{root}/images/{part} should hold *.jpg. Found none.'
        )
    (root / f'ade20k_panoptic_{split}').mkdir(exist_ok=True)
    convert = partial(convert_image, root, split)
    results = ordered_map(convert, enumerate(names), workers)
    images, annotations, wrong, pixels = [], [], 0, 0
    for image, annotation, (differ, of) in with_progress(
        results, len(names), split
    ):
        images.append(image)
        annotations.append(annotation)
        wrong, pixels = wrong + differ, pixels + of
    share = wrong / max(pixels, 1)
    if share > MOST_WRONG:
        raise ValueError(
            f'{split}: the instance maps should show the classes of the '
            f'semantic ones. Found another at {share:.0%} of their pixels.'
        )
    content = dict(
        images=images, annotations=annotations, categories=ade20k_categories()
    )
    target.write_text(json.dumps(content))
    segments = sum(len(a['segments_info']) for a in annotations)
    print(
        f'{target}: {len(images)} images, {segments} segments; of the '
        f'pixels of objects {share:.2%} have another class in the semantic '
        'map'
    )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('root', type=Path, help='such as ADEChallengeData2016')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS)
    parser.add_argument('--workers', type=int, default=DEFAULT_WORKERS)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Convert the splits."""
    args = parse_args(argv)
    with one_line_errors('convert_ade20k_panoptic'):
        for split in args.splits:
            convert_split(args.root, split, args.workers)


if __name__ == '__main__':
    main()
