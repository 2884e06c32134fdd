"""Writes WORK_DIR/report/report.html, once or until the run is over."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path

from mmada.commands.common import one_line_errors
from mmada.utils.run_files import holds_run

try:
    from mmada.visualization.report import ReportOptions, write_report
except ModuleNotFoundError as error:
    raise SystemExit(
        f'report: {error}. Install what it needs: '
        'pip install "mmada[report]", or in a checkout '
        'pip install -r requirements/report.txt'
    ) from error


def check_run(option: str, path: Path) -> None:
    """Check that a directory is one of a run.

    Args:
        option: That names it, for the message.
        path: The directory.

    Raises:
        ValueError: If it is not.
    """
    if not holds_run(path):
        raise ValueError(
            f'`{option}` should be the directory of a run. Found no log, '
            f'checkpoint or record of one in {path}.'
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
        if not args.watch:  # else the run may be about to begin
            check_run('work_dir', args.work_dir)
        for other in args.compare:
            check_run('--compare', other)
        while True:
            report = write_report(args.work_dir, options)
            print(f'{report.page}: {len(report.written)} files written anew')
            if not args.watch or report.finished:
                return 0
            time.sleep(args.watch)
    return 0
