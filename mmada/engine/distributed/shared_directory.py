"""Whether all ranks work in one directory, found out before they begin."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import NamedTuple

from mmada.engine.distributed.channel import Channel
from mmada.utils.files import replace, temporary_name

WAIT = 10.0
"""Seconds that a file may take to show on another node."""
_PAUSE = 0.05


class _View(NamedTuple):
    """What a rank sees of the work directory.

    Attributes:
        host: On which it runs.
        path: Its directory.
        shared: Whether what rank 0 wrote is there.
    """

    host: str
    path: str
    shared: bool


def check_shared_directory(directory: Path) -> None:
    """Check that what rank 0 writes into a directory is there for all ranks.

    To be called by all ranks at the same time. Rank 0 writes a token, and all
    read it. Does nothing in a run of one rank.

    Args:
        directory: As this rank knows it.

    Raises:
        ValueError: On all ranks, naming those that do not see it.
    """
    with contextlib.closing(Channel()) as channel:
        if channel.size == 1:
            return
        token: list[Path] = []
        try:
            name = channel.from_main(lambda: _write(directory, token))
            shared = _appears(directory / name, name)
            view = _View(socket.gethostname(), str(directory), shared)
            views = channel.gather(view, lambda rank: 'a look at `work_dir`')
        finally:
            for path in token:
                path.unlink(missing_ok=True)
    _check(views)


def _write(directory: Path, token: list[Path]) -> str:
    """Write the token, whose content is its name."""
    # A name that the next run removes, should this one be killed.
    token.append(temporary_name(directory))
    replace(token[0], token[0].name)
    return token[0].name


def _appears(path: Path, content: str) -> bool:
    """Return whether a file has its content, now or after a wait."""
    deadline = time.monotonic() + WAIT
    while True:
        with contextlib.suppress(OSError):
            if path.read_text() == content:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)


def _check(views: list[_View]) -> None:
    blind = [rank for rank, view in enumerate(views) if not view.shared]
    if not blind:
        return
    named = ', '.join(
        f'rank {rank} on {views[rank].host} ({views[rank].path})'
        for rank in blind
    )
    raise ValueError(
        '`work_dir` should be one directory for all ranks, on a file system '
        f'that all nodes share. Found {views[0].path} of rank 0 on '
        f'{views[0].host}, and what is written there is not seen by {named}. '
        'Give all ranks the same path, on a shared disk.'
    )
