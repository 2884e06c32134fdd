"""Holds some training images out, to reward an exploration on them.

The same as `mmada split`.
"""

from __future__ import annotations

from mmada.commands.command_line import run_script


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_script('split', __file__, argv)


if __name__ == '__main__':
    main()
