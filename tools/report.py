"""Writes WORK_DIR/report/report.html: what a run did, and whether to trust it.

python tools/report.py work_dirs/run --baseline work_dirs/ones --images 12
"""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

from common import one_line_errors

try:
    from mmada.visualization.report import ReportOptions, write_report
except ModuleNotFoundError as error:
    raise SystemExit(
        f'report: {error}. Install what it needs: '
        'pip install -r requirements/report.txt'
    ) from error


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'work_dir', type=Path, help='of a run, finished or not'
    )
    parser.add_argument(
        '--compare',
        type=Path,
        nargs='+',
        default=[],
        metavar='OTHER',
        help='work directories of other runs to show beside it',
    )
    parser.add_argument(
        '--baseline',
        type=Path,
        metavar='WORK_DIR_OR_CKPT',
        help='a training to compare test images and classes with; both '
        'models are evaluated once, which takes as long as two tests',
    )
    parser.add_argument(
        '--images',
        type=int,
        default=12,
        metavar='N',
        help='test images to show with --baseline; default: 12',
    )
    parser.add_argument(
        '--watch',
        type=int,
        metavar='SECONDS',
        help='write the report again and again until the run is over',
    )
    args = parser.parse_args()
    if args.images < 0:
        parser.error(f'--images should not be negative. Found {args.images}.')
    if args.watch is not None and args.watch < 1:
        parser.error(f'--watch should be positive. Found {args.watch}.')
    return args


def main() -> None:
    """Write the report, once or until the run is over."""
    args = parse_args()
    options = ReportOptions(
        others=args.compare,
        baseline=args.baseline,
        images=args.images,
        refresh=args.watch or 60,
    )
    with (
        one_line_errors('report'),
        contextlib.suppress(KeyboardInterrupt),
    ):
        while True:
            report = write_report(args.work_dir, options)
            print(f'{report.page}: {len(report.written)} files written anew')
            if not args.watch or report.finished:
                return
            time.sleep(args.watch)


if __name__ == '__main__':
    main()
