"""Describes what a policy file would do.

The same as `mmada inspect`.
"""

from __future__ import annotations

from mmada.commands.command_line import run_script


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_script('inspect', __file__, argv)


if __name__ == '__main__':
    main()
