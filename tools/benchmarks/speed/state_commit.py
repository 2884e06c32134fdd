"""How long a committed state takes beside a plain write of the same bytes.

A commit writes, reads back and compares checksums; the plain write is one
file, written from memory and synced. The clock is the one on the wall, so the
machine has to be quiet. Both write into the same directory.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/state_commit.py --gigabytes 1
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import torch
from measure import parser, show_ratio, show_surroundings
from mmengine.device import get_device
from torch import Tensor

from mmada.commands.command_line import ends_with_reader
from mmada.engine.state import StateStore

MEGABYTE = 10**6


def make_tensors(num_bytes: int) -> list[Tensor]:
    """Return noise in tensors of up to 10 MB, as networks have them."""
    sizes = [10 * MEGABYTE] * (num_bytes // (10 * MEGABYTE))
    sizes.append(num_bytes - sum(sizes))
    return [torch.randn(s // 4, device=get_device()) for s in sizes if s]


def write_plainly(path: Path, tensors: list[Tensor]) -> float:
    """Return the seconds of a synced write of all bytes."""
    began = time.perf_counter()
    with open(path, 'wb') as file:
        for tensor in tensors:
            file.write(tensor.cpu().numpy().data)
        file.flush()
        os.fsync(file.fileno())
    taken = time.perf_counter() - began
    path.unlink()
    return taken


def commit(store: StateStore, step: int, tensors: list[Tensor]) -> float:
    """Return the seconds of a commit."""
    payload = {str(i): tensor for i, tensor in enumerate(tensors)}
    began = time.perf_counter()
    store.commit(step, payload)
    return time.perf_counter() - began


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print times and ratio."""
    options = parser(__doc__, repeats=5)
    options.add_argument('--gigabytes', type=float, default=1.0)
    options.add_argument(
        '--work-dir', help='where to write; defaults to a temporary directory'
    )
    args = options.parse_args(argv)
    if args.quick:
        args.repeats, args.gigabytes = 2, 0.02
    show_surroundings(f'A state of {args.gigabytes:g} GB, on the wall clock')
    tensors = make_tensors(int(args.gigabytes * 1e9))
    commits, writes = [], []
    with tempfile.TemporaryDirectory(dir=args.work_dir) as name:
        store = StateStore(Path(name) / 'states', {})
        for step in range(args.repeats):
            writes.append(write_plainly(Path(name) / 'plain', tensors))
            commits.append(commit(store, step, tensors))
    for name, found in dict(commit=commits, plain=writes).items():
        print(f'{name}: {", ".join(f"{s:.2f}" for s in found)} s')
    show_ratio('commit / plain write', commits, writes, 'goal: at most 3')


if __name__ == '__main__':
    main()
