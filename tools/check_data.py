"""Checks panoptic data sets before a long run.

The same as `mmada check-data`.
"""

from __future__ import annotations

from mmada.commands.command_line import run_script


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_script('check-data', __file__, argv)


if __name__ == '__main__':
    raise SystemExit(main())
