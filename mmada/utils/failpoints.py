"""Named places at which a test can kill the process.

That a run survives a kill at the worst moment can only be tested by
killing it there. Each such moment is one ``failpoint('name')`` call, which
does nothing unless the environment variable ``MMADA_FAILPOINT`` names it.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_VARIABLE = 'MMADA_FAILPOINT'
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Kill this process if ``MMADA_FAILPOINT`` is ``name[:count]``.

    A test aid. The process gets SIGKILL, as from a machine that goes down:
    no handler, no clean-up, no buffer flushed.

    Args:
        name (str): Name of the place, without a colon.

    Raises:
        ValueError: If the count in the variable is not a positive integer.
    """
    wanted = os.environ.get(_VARIABLE, '')
    target, _, count = wanted.partition(':')
    if target != name:
        return
    if count and not (count.isdecimal() and int(count) > 0):
        raise ValueError(
            f'{_VARIABLE} should be name or name:count with a positive '
            f'count, found {wanted!r}'
        )
    _passed[name] += 1
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
