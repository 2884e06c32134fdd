"""Writes predictions in the layout of COCO's panoptic evaluation server.

python tools/format_panoptic.py CONFIG CHECKPOINT OUT_DIR --name mine \
    --image-info data/coco/annotations/image_info_test-dev2017.json \
    --image-dir data/coco/test2017/ \
    --categories data/coco/annotations/panoptic_val2017.json
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner

from mmada.commands.arguments import add_config_overrides
from mmada.commands.common import one_line_errors, read_config
from mmada.datasets.coco_panoptic import check_list, read_categories
from mmada.diagnostics.data import Fault, parse_image
from mmada.diagnostics.reward.loading import load_weights
from mmada.diagnostics.reward.rules import weights_missing, weights_not_finite
from mmada.evaluation.coco_truth import label_categories
from mmada.evaluation.submission import (
    SubmissionWriter,
    check_archive,
    check_submission,
    to_segments,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Writes predictions in the layout of COCO's panoptic "
        'evaluation server and reads them again.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='of the detector, bare or wrapped')
    parser.add_argument('out_dir', help='where the files go')
    parser.add_argument('--name', default='mmada', help='of the method')
    parser.add_argument(
        '--image-set', default='test-dev2017', help='part of the file names'
    )
    parser.add_argument(
        '--image-info',
        help='JSON file with the images, such as image_info_test-dev2017.'
        "json; else the config's test data are predicted",
    )
    parser.add_argument(
        '--image-dir', help='folder of the images of --image-info'
    )
    parser.add_argument(
        '--categories',
        help='JSON file with the panoptic categories, a list or an '
        'annotation file; needed where the images come without them',
    )
    add_config_overrides(parser)
    args = parser.parse_args(argv)
    if (args.image_info is None) != (args.image_dir is None):
        parser.error('--image-info and --image-dir go together')
    return args


def load_data(
    config: Config, args: argparse.Namespace, scratch: str
) -> tuple[Any, dict[str, Any]]:
    """Return the dataloader and what the files say of its images."""
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
        source = getattr(dataloader.dataset, 'ann_file', None)
        if source is None:
            raise ValueError(
                '`test_dataloader.dataset` should have an ann_file. Found '
                f'{type(dataloader.dataset).__name__}. Name the images by '
                '--image-info.'
            )
        content = read_content(source, args.categories)
    return dataloader, content


def image_dataset(
    dataset: dict[str, Any], ann_file: str, image_dir: str
) -> dict[str, Any]:
    """Return the config of a data set with other images, without truth."""
    found = copy.deepcopy(dataset)
    found.update(
        ann_file=ann_file,
        data_root=None,
        data_prefix=dict(img=image_dir),
        test_mode=True,
    )
    return found


def read_content(images: str, categories: str | None) -> dict[str, Any]:
    """Read images and categories as one annotation file without truth.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a file is none of these.
    """
    content = _read_json(images)
    if not isinstance(content, dict) or 'images' not in content:
        raise ValueError(f'{images} should have images. Found none.')
    for k, image in enumerate(check_list(images, 'images', content['images'])):
        parsed = parse_image(image, k)
        if isinstance(parsed, Fault):
            raise ValueError(
                f'{images} should have images with id, file_name, height '
                f'and width. Found another {parsed.where}.'
            )
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


def _read_json(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text())
    except ValueError as error:
        raise ValueError(f'{path} should be JSON: {error}') from None


def build_model(config: Config, checkpoint: str) -> Any:
    """Build the model with all of its weights.

    Raises:
        ValueError: If a weight is not in the checkpoint or not finite.
    """
    model = revert_sync_batchnorm(MODELS.build(config.model))
    loaded = load_weights(model, checkpoint)
    for found in (*weights_missing(loaded), *weights_not_finite(loaded)):
        raise ValueError(f'{checkpoint}: {found.text}')
    return model.to(get_device()).eval()


@torch.no_grad()
def write(
    model: Any,
    dataloader: Any,
    content: dict[str, Any],
    category_ids: list[int],
    writer: SubmissionWriter,
) -> None:
    """Predict all images and write what is predicted."""
    names = {image['id']: image['file_name'] for image in content['images']}
    for batch in dataloader:
        for sample in model.test_step(batch):
            prediction = sample.get('pred_panoptic_seg')
            if prediction is None:
                raise ValueError(
                    '`model` should predict panoptic segments. Found '
                    f'{sorted(sample.keys())}.'
                )
            ids, segments = to_segments(
                prediction.sem_seg[0].cpu().numpy(),
                category_ids,
                prediction.get('ignore_index', len(category_ids)),
            )
            name = names[sample.img_id]
            writer.add(sample.img_id, name, ids, segments)


def run(args: argparse.Namespace, scratch: str) -> list[str]:
    """Write and read again; return what is wrong with the files."""
    config = read_config(args.config)
    config.merge_from_dict(args.cfg_options or {})
    for name in ('model', 'test_dataloader'):
        if config.get(name) is None:
            raise ValueError(
                f'{args.config} should have `{name}`. Found none.'
            )
    init_default_scope(config.get('default_scope', 'mmdet'))
    dataloader, content = load_data(config, args, scratch)
    source = args.categories or args.image_info or 'the test annotations'
    categories = read_categories(content, source)
    classes = dataloader.dataset.metainfo['classes']
    category_ids = label_categories(classes, categories)
    model = build_model(config, args.checkpoint)
    with SubmissionWriter(args.out_dir, args.name, args.image_set) as writer:
        write(model, dataloader, content, category_ids, writer)
    print(f'wrote {writer.json_path}, {writer.folder} and {writer.zip_path}')
    files = writer.json_path, writer.folder
    return [
        *check_submission(*files, content['images'], categories),
        *check_archive(writer.zip_path, *files),
    ]


def main(argv: list[str] | None = None) -> int:
    """Write the files; return the exit code."""
    args = parse_args(argv)
    with (
        tempfile.TemporaryDirectory() as scratch,
        one_line_errors('format_panoptic', KeyError),
    ):
        problems = run(args, scratch)
    for problem in problems:
        print(f'PROBLEM: {problem}')
    print(f'read again: {len(problems) or "no"} problem(s)')
    return 1 if problems else 0


if __name__ == '__main__':
    raise SystemExit(main())
