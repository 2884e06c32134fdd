"""Tests a checkpoint: metrics, and on demand predictions and pictures.

The same as `mmada test`.
"""

from __future__ import annotations

from mmada.commands.command_line import run_script


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_script('test', __file__, argv)


if __name__ == '__main__':
    main()
