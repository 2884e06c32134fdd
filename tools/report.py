"""Writes WORK_DIR/report/report.html: what a run did.

The same as `mmada report`.
"""

from __future__ import annotations

from mmada.commands.command_line import run_script


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_script('report', __file__, argv)


if __name__ == '__main__':
    main()
