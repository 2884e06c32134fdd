"""Panoptic quality of predictions in files of the COCO panoptic format.

python tools/eval_panoptic.py --gt-json gt.json --gt-folder gt \
    --pred-json pred.json --pred-folder pred
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from mmada.commands.common import one_line_errors
from mmada.evaluation import (
    Quality,
    Report,
    class_table,
    evaluate_folders,
    group_table,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Panoptic quality of predictions in files of the COCO '
        'panoptic format.'
    )
    for option, text in (
        ('--gt-json', 'annotation file of the truth'),
        ('--gt-folder', 'folder of its segment maps'),
        ('--pred-json', 'annotation file of the predictions'),
        ('--pred-folder', 'folder of their segment maps'),
    ):
        parser.add_argument(option, required=True, help=text)
    parser.add_argument(
        '--json',
        action='store_true',
        help='print JSON, values in 0..1, instead of tables in percent',
    )
    return parser.parse_args(argv)


def to_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON; an average over no class is null."""

    def values(quality: Quality) -> dict[str, Any]:
        return {
            k: None if math.isnan(v) else v
            for k, v in quality._asdict().items()
        }

    content: dict[str, Any] = {g: values(q) for g, q in report.groups.items()}
    content['per_class'] = {
        str(c): dict(pq=q.pq, sq=q.sq, rq=q.rq)
        for c, q in report.classes.items()
    }
    content['counts'] = {
        str(c): counts._asdict() for c, counts in report.counts.items()
    }
    return content


def main(argv: list[str] | None = None) -> None:
    """Evaluate and print."""
    args = parse_args(argv)
    with one_line_errors('eval_panoptic'):
        report = evaluate_folders(
            args.gt_json, args.gt_folder, args.pred_json, args.pred_folder
        )
    if args.json:
        print(json.dumps(to_json(report), indent=2))
    else:
        print(f'{group_table(report)}\n\n{class_table(report)}')


if __name__ == '__main__':
    main()
