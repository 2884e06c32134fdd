"""Holds some training images out, to reward an exploration on them."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmada.commands.common import one_line_errors
from mmada.datasets.coco_panoptic import check_list
from mmada.datasets.image_subset import (
    ImageId,
    ImageIdList,
    digest_ids,
    format_ids,
    read_ids,
    sort_ids,
)
from mmada.datasets.json_stream import read_members
from mmada.diagnostics.reward.rules import FEW_IMAGES

RULE = 'smallest sha256 of seed:id'
MOST = 10000
"""Images that are held out unless more are asked for, as in the paper."""


def choose_reward_ids(
    image_ids: Iterable[ImageId], num_reward: int, seed: int
) -> set[ImageId]:
    """Pick the images to hold out.

    The order is that of a hash of seed and id, so it is the same everywhere
    and does not depend on the order or the number of the other images.

    Args:
        image_ids: All images.
        num_reward: How many to hold out.
        seed: Another seed gives other images.

    Raises:
        ValueError: If not at least one image is left on either side.
    """
    ids = set(image_ids)
    if len(ids) < 2:
        raise ValueError(
            'An annotation file should have two images or more, to be split. '
            f'Found {len(ids)}.'
        )
    if not 0 < num_reward < len(ids):
        raise ValueError(
            f'`--num-reward` should be 1 to {len(ids) - 1}, as there are '
            f'{len(ids)} images. Found {num_reward}.'
        )
    ranked = sorted(ids, key=lambda i: _digest(seed, i))
    return set(ranked[:num_reward])


def read_image_ids(ann_file: str) -> set[ImageId]:
    """Read the ids of all images of a COCO annotation file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no such file, an image has no id, or an id is
            there twice.
    """
    missing = {'images', 'annotations', 'categories'}
    ids: list[ImageId] = []
    for key, value in read_members(ann_file):
        missing.discard(key)
        if key == 'images':
            images = check_list(ann_file, key, value)
            ids.extend(
                _image_id(ann_file, k, image) for k, image in enumerate(images)
            )
    if missing:
        raise ValueError(
            f'{ann_file} should be a COCO annotation file. Found no '
            f'{", ".join(sorted(missing))}.'
        )
    try:
        sort_ids(ids)
    except ValueError as error:
        raise ValueError(f'{ann_file}: {error}') from None
    if len(set(ids)) < len(ids):
        raise ValueError(
            f'every image of {ann_file} should have an id of its own. Found '
            f'{len(set(ids))} ids of {len(ids)} images.'
        )
    return set(ids)


def _image_id(ann_file: str, index: int, image: Any) -> ImageId:
    found = image.get('id') if isinstance(image, Mapping) else None
    if not isinstance(found, int | str):
        raise ValueError(
            f'{ann_file}: `id` of entry {index} of images should be an '
            f'integer or text. Found {found!r}.'
        )
    return found


def _digest(seed: int, image_id: ImageId) -> bytes:
    return hashlib.sha256(f'{seed}:{image_id}'.encode()).digest()


def _write(out: Path, text: str) -> None:
    """Write the list, unless another one is there."""
    if out.exists() and out.read_text() != text:
        there = read_ids(str(out))
        seed = there.notes.get('seed', 'unknown')
        raise ValueError(
            f'`--out` should be a new file, or hold the same list. Found '
            f'{out}, {len(there.ids)} of {there.num_images} images with the '
            f'seed {seed}. A search may use it: name another file, or remove '
            'this one.'
        )
    out.write_text(text)


def run(args: argparse.Namespace) -> int:
    """Write the list."""
    stem = f'{args.ann_file.stem}_proxy_reward'
    out = args.out or args.ann_file.with_name(f'{stem}.txt')
    with one_line_errors(args.prog):
        every = read_image_ids(str(args.ann_file))
        number = args.num_reward
        if number is None:
            number = max(1, min(MOST, len(every) // 10))
        reward = choose_reward_ids(every, number, args.seed)
        notes = dict(source=args.ann_file.name, rule=RULE, seed=str(args.seed))
        content = ImageIdList(
            tuple(reward), len(every), digest_ids(every), notes
        )
        _write(out, format_ids(content))
    print(f'{out}: {len(reward)} of {len(every)} images held out')
    if len(reward) < FEW_IMAGES:
        print(
            f'{args.prog}: {len(reward)} images, fewer than {FEW_IMAGES}, are '
            'few to reward a search by, as chance in them decides between '
            'replicas; `--num-reward` holds out more, in a new list',
            file=sys.stderr,
        )
    return 0
