"""A link with delay and loss between two network namespaces.

    python slow_link.py NAMESPACE NAMESPACE DEVICE SECONDS SHARE_LOST

Carries the frames of two TAP devices, which it makes, one way and the other.
It stands in for `tc qdisc ... netem`, which not every kernel has.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
CLONE_NEWNET = 0x40000000


def open_tap(namespace: str, device: str) -> int:
    """Makes a TAP device in a namespace, which this process enters."""
    with open(f'/run/netns/{namespace}') as file:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f'setns {namespace}')
    tap = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack('16sH22x', device.encode(), IFF_TAP | IFF_NO_PI)
    fcntl.ioctl(tap, TUNSETIFF, request)
    return tap


def carry(taps: tuple[int, int], delay: float, lost: float) -> None:
    """Hands each frame on after the delay, but for the share that is lost."""
    other = {taps[0]: taps[1], taps[1]: taps[0]}
    waiting: list[tuple[float, int, int, bytes]] = []
    draws, count = random.Random(0), 0
    while True:
        pause = waiting[0][0] - time.monotonic() if waiting else None
        ready, _, _ = select.select(taps, (), (), pause and max(pause, 0))
        for tap in ready:
            frame = os.read(tap, 65536)
            count += 1
            if draws.random() >= lost:
                due = time.monotonic() + delay
                heapq.heappush(waiting, (due, count, other[tap], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, tap, frame = heapq.heappop(waiting)
            with contextlib.suppress(OSError):  # a device that is not up yet
                os.write(tap, frame)


if __name__ == '__main__':
    first, second, name, delay, lost = sys.argv[1:]
    taps = open_tap(first, name), open_tap(second, name)
    print('ready', flush=True)
    carry(taps, float(delay), float(lost))
