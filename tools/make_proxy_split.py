"""Holds some training images out, to reward an exploration on them.

Two annotation files are written beside the given one, `..._proxy_train.json`
and `..._proxy_reward.json`. Images and segment maps stay where they are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def choose_reward_ids(
    image_ids: Iterable[int], num_reward: int, seed: int
) -> set[int]:
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
    if not 0 < num_reward < len(ids):
        raise ValueError(
            f'num_reward should be 1 to {len(ids) - 1}, found {num_reward}'
        )
    ranked = sorted(ids, key=lambda i: _digest(seed, i))
    return set(ranked[:num_reward])


def subset(content: dict[str, Any], image_ids: set[int]) -> dict[str, Any]:
    """The part of a COCO panoptic annotation file about some images."""
    return {
        **content,
        'images': [x for x in content['images'] if x['id'] in image_ids],
        'annotations': [
            x for x in content['annotations'] if x['image_id'] in image_ids
        ],
    }


def _digest(seed: int, image_id: int) -> bytes:
    return hashlib.sha256(f'{seed}:{image_id}'.encode()).digest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'ann_file', type=Path, help='such as panoptic_train2017.json'
    )
    parser.add_argument('--num-reward', type=int, default=10000)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()

    content = json.loads(args.ann_file.read_text())
    missing = {'images', 'annotations', 'categories'} - set(content)
    if missing:
        parser.error(
            f'{args.ann_file} has no {", ".join(sorted(missing))}; a COCO '
            'panoptic annotation file is expected'
        )
    every = {image['id'] for image in content['images']}
    try:
        reward = choose_reward_ids(every, args.num_reward, args.seed)
    except ValueError as error:
        parser.error(f'{args.ann_file}: {error}')
    for name, ids in (('train', every - reward), ('reward', reward)):
        path = args.ann_file.with_stem(f'{args.ann_file.stem}_proxy_{name}')
        path.write_text(json.dumps(subset(content, ids)))
        print(f'{path}: {len(ids)} images')


if __name__ == '__main__':
    main()
