"""Work on many files, in several processes, with a line of progress."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import cv2

Item = TypeVar('Item')
Result = TypeVar('Result')

CHUNK = 16
SECONDS = 2.0
DEFAULT_WORKERS = min(8, os.cpu_count() or 1)


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Yield the results of a function, in the order of the items.

    Args:
        function: A function of a module, so that processes can be given it.
        items: What to call it with; taken as processes become free.
        workers: Number of processes; 1 works in this one.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    context = multiprocessing.get_context('fork')
    # One thread each: the processes are as many as there should be.
    with context.Pool(workers, cv2.setNumThreads, (0,)) as pool:
        yield from pool.imap(function, items, chunksize=CHUNK)


def with_progress(
    results: Iterable[Result], total: int, name: str
) -> Iterator[Result]:
    """Yield results and say on standard error how far it is.

    Args:
        results: What to pass on.
        total: How many there will be.
        name: What is worked on.
    """
    start = said = time.monotonic()
    for count, result in enumerate(results, start=1):
        yield result
        now = time.monotonic()
        # The first results come late, and say nothing of the others.
        if now - said > SECONDS and count > total / 100:
            said = now
            left = (now - start) * (total - count) / count
            print(
                f'{name}: {count} of {total}, {left:.0f} s left',
                file=sys.stderr,
                flush=True,
            )
