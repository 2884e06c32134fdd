"""Losses that a model has only after its objectives were found."""

from __future__ import annotations

import logging

from mmengine.logging import print_log


class LateLosses:
    """Warns once of each loss that no objective was made for.

    With `objectives='auto'` each loss should be an objective, but what the
    first batches lack is not known when the weights are first needed. Such a
    loss keeps weight 1: a training of many hours should not end for it.
    """

    def __init__(self) -> None:
        self._noted: set[str] = set()

    def note(self, name: str) -> None:
        """Notes a loss that belongs to no objective."""
        if name in self._noted:
            return
        self._noted.add(name)
        print_log(
            f'Loss {name!r} was in none of the batches that '
            "`objectives='auto'` was found from, so it keeps weight 1. To "
            'weight it, name the objectives by patterns.',
            logger='current',
            level=logging.WARNING,
        )
