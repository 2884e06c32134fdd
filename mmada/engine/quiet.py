"""Keeps what is printed and logged off the screen and out of the log."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator

from mmengine.logging import MMLogger


@contextlib.contextmanager
def quiet(level: int = logging.WARNING) -> Iterator[None]:
    """Drop what is printed, and what is logged below a level.

    COCO's metric prints two dozen lines an evaluation, and a search has one
    for each replica of each round; its own table has what they say.

    Args:
        level: The lowest one that is still logged.
    """
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(max(before, level))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)
