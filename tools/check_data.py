"""Check panoptic data sets before a long run.

python tools/check_data.py CONFIG
python tools/check_data.py ANN_FILE SEG_DIR IMG_DIR --dataset \\
    CocoPanopticDataset

Looks at the annotation file, at the files it names and into all of them, says
what is wrong and what that does. Of a config it checks all panoptic data
sets, and that no image is both trained on and scored. The exit code is 1 if
there are errors, 0 with warnings alone, 2 if nothing could be checked.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import Any

# What mmdet says of itself on import would spoil the JSON.
with contextlib.redirect_stdout(sys.stderr):
    from check_data_config import check_parts, read_loaders
    from check_data_image import DataSet
    from check_data_report import heading, json_of, text_of, total_of
    from mmdet.registry import DATASETS

    from mmada.datasets.parallel import DEFAULT_WORKERS
    from mmada.diagnostics.data import Tally
    from mmada.diagnostics.data.data_set import Checked, check_data_set


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'paths', nargs='+', help='CONFIG, or ANN_FILE SEG_DIR IMG_DIR'
    )
    parser.add_argument(
        '--dataset',
        help='dataset class to compare the categories with, such as '
        'ADE20KPanopticDataset; a config names it itself',
    )
    parser.add_argument(
        '--sample',
        type=int,
        help='open that many images, spread evenly, instead of all',
    )
    parser.add_argument('--workers', type=int, default=DEFAULT_WORKERS)
    parser.add_argument('--json', action='store_true', help='print JSON')
    args = parser.parse_args(argv)
    if len(args.paths) not in (1, 3):
        parser.error('give a CONFIG, or ANN_FILE SEG_DIR IMG_DIR')
    if len(args.paths) == 1 and args.dataset:
        parser.error('--dataset is for ANN_FILE SEG_DIR IMG_DIR')
    if args.sample is not None and args.sample < 0:
        parser.error(f'--sample should be >= 0, found {args.sample}')
    return args


def check(args: argparse.Namespace) -> tuple[list[Checked], Tally]:
    """Check what the command line names.

    Returns:
        What was found in each data set, and in the splits of a config.

    Raises:
        OSError: If something cannot be read.
        ValueError: If something is not what it should be.
    """
    parts = Tally()
    if len(args.paths) == 3:
        metainfo = _metainfo(args.dataset) if args.dataset else None
        ann_file, seg_dir, img_dir = args.paths
        data = DataSet(ann_file, seg_dir, img_dir, metainfo)
        return [check_data_set(data, args.sample, args.workers)], parts
    loaders = read_loaders(args.paths[0])
    found = [
        check_data_set(data, args.sample, args.workers)
        for data in loaders.data_sets()
    ]
    parts.add(check_parts(loaders, found))
    return found, parts


def _metainfo(name: str) -> dict[str, Any]:
    cls = DATASETS.get(name)
    if cls is None:
        raise ValueError(f'--dataset should be a dataset, found {name!r}')
    metainfo: dict[str, Any] = cls.METAINFO
    return metainfo


def show(found: list[Checked], parts: Tally, as_json: bool) -> int:
    """Print what was found; return the exit code."""
    total = total_of([parts, *(each.tally for each in found)])
    if as_json:
        content = [
            dict(
                ann_file=each.data.ann_file,
                images=len(each.images),
                opened=each.opened,
                faults=json_of(each.tally),
            )
            for each in found
        ]
        report = dict(total, data_sets=content, splits=json_of(parts))
        print(json.dumps(report, indent=2))
    else:
        for each in found:
            print('\n'.join([heading(each), *text_of(each.tally), '']))
        if parts.counts:
            print('\n'.join(['splits', *text_of(parts), '']))
        print(f'{total["errors"]} errors, {total["warnings"]} warnings')
    return int(total['errors'] > 0)


def main(argv: list[str] | None = None) -> int:
    """Check and print; return the exit code."""
    args = parse_args(argv)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found, parts = check(args)
    except (OSError, ValueError) as error:
        message = ' '.join(str(error).split())
        print(f'check_data: error: {message}', file=sys.stderr)
        return 2
    return show(found, parts, args.json)


if __name__ == '__main__':
    sys.exit(main())
