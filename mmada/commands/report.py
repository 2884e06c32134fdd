"""Writes WORK_DIR/report/report.html, once or until the run is over."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

from mmada.commands.common import one_line_errors

try:
    from mmada.visualization.report import ReportOptions, write_report
    from mmada.visualization.report.writer import FOLDER
except ModuleNotFoundError as error:
    raise SystemExit(
        f'report: {error}. Install what it needs: '
        'pip install "mmada[report]", or in a checkout '
        'pip install -r requirements/report.txt'
    ) from error


def is_empty(work_dir: Path) -> bool:
    """Return whether a directory holds nothing but an earlier report."""
    return work_dir.is_dir() and not any(
        path for path in work_dir.iterdir() if path.name != FOLDER
    )


def run(args: argparse.Namespace) -> int:
    """Write the report, once or until the run is over."""
    options = ReportOptions(
        others=args.compare,
        baseline=args.baseline,
        images=args.images,
        refresh=args.watch or 60,
    )
    with (
        one_line_errors(args.prog),
        contextlib.suppress(KeyboardInterrupt),
    ):
        if not args.watch and is_empty(args.work_dir):
            raise ValueError(
                '`work_dir` should be the directory of a run. Found nothing '
                f'in {args.work_dir}.'
            )
        while True:
            report = write_report(args.work_dir, options)
            print(f'{report.page}: {len(report.written)} files written anew')
            if not args.watch or report.finished:
                return 0
            time.sleep(args.watch)
    return 0
