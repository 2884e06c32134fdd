"""`python -m mmada`, the same as the command `mmada`."""

from __future__ import annotations

from mmada.commands.command_line import main

if __name__ == '__main__':
    raise SystemExit(main())
