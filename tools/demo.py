"""Explores loss weights, trains with the policy and shows the gain.

The same as `mmada demo`.
"""

from __future__ import annotations

from mmada.commands.command_line import run_script


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_script('demo', __file__, argv)


if __name__ == '__main__':
    main()
