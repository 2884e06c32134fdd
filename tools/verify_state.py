"""Verifies what a work directory holds.

The same as `mmada verify`.
"""

from __future__ import annotations

from mmada.commands.command_line import run_script


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_script('verify', __file__, argv)


if __name__ == '__main__':
    raise SystemExit(main())
