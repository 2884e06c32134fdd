"""Trains, explores, or explores and then trains, as the config says.

The same as `mmada train`.
"""

from __future__ import annotations

from mmada.commands.command_line import run_script


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_script('train', __file__, argv)


if __name__ == '__main__':
    main()
