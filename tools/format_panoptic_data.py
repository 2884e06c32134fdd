"""The images of a submission, for format_panoptic.py."""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner


def read_content(images: str, categories: str | None) -> dict[str, Any]:
    """Reads images and categories as one annotation file without truth.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a file is none of these.
    """
    content = _read_json(images)
    if not isinstance(content, dict) or 'images' not in content:
        raise ValueError(f'{images} should have images, found none')
    if categories is not None:
        listed = _read_json(categories)
        content['categories'] = (
            listed.get('categories') if isinstance(listed, dict) else listed
        )
    return dict(
        images=content['images'],
        categories=content.get('categories', []),
        annotations=[],
    )


def image_dataset(
    dataset: dict[str, Any], ann_file: str, image_dir: str
) -> dict[str, Any]:
    """Returns the config of a data set with other images, without truth."""
    found = copy.deepcopy(dataset)
    found.update(
        ann_file=ann_file,
        data_root=None,
        data_prefix=dict(img=image_dir),
        test_mode=True,
    )
    return found


def load_data(
    config: Config, args: argparse.Namespace, scratch: str
) -> tuple[Any, dict[str, Any]]:
    """Returns the dataloader and what the files say of its images."""
    loader = copy.deepcopy(config.test_dataloader)
    content = None
    if args.image_info is not None:
        content = read_content(args.image_info, args.categories)
        merged = Path(scratch) / 'images.json'
        merged.write_text(json.dumps(content))
        loader['dataset'] = image_dataset(
            loader['dataset'], str(merged), args.image_dir
        )
    dataloader = Runner.build_dataloader(loader, seed=0)
    if content is None:
        content = read_content(dataloader.dataset.ann_file, args.categories)
    return dataloader, content


def _read_json(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text())
    except ValueError as error:
        raise ValueError(f'{path} should be JSON: {error}') from None
