"""What a step of AutoSegLoss costs beside one of cross entropy.

Loss and gradient of the same logits, taking turns with MMDetection's cross
entropy; then the most memory that a step holds beside logits and labels, and
the operations that take most of the time. The labels are squares, so that
edges are as rare as in images.

The C library gives large blocks back to the system between steps unless told
otherwise, and fetching them anew would take as long as cross entropy itself:

OMP_NUM_THREADS=1 MALLOC_TRIM_THRESHOLD_=8589934592 \\
MALLOC_MMAP_THRESHOLD_=8589934592 \\
python tools/benchmarks/speed/auto_seg_loss_speed.py
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate

import torch
from measure import (
    busy,
    parser,
    show_ratio,
    show_surroundings,
    synchronize,
    wall,
)
from mmdet.models.losses import CrossEntropyLoss
from mmengine.device import get_device
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from mmada.commands.command_line import ends_with_reader
from mmada.models import AutoSegLoss
from mmada.surrogates import NAMED_POINTS

Step = Callable[[], None]


def make_batch(classes: int, size: int, present: int) -> tuple[Tensor, Tensor]:
    """Return logits of an image and labels in squares of 32 pixels.

    Args:
        classes: Channels of the logits.
        size: Height and width.
        present: Classes that occur in the labels.
    """
    device = get_device()
    torch.manual_seed(0)
    logits = 3 * torch.randn(1, classes, size, size, device=device)
    side = (size + 31) // 32
    squares = torch.randint(present, (1, side, side), device=device)
    label = squares.repeat_interleave(32, 1).repeat_interleave(32, 2)
    return logits.requires_grad_(), label[:, :size, :size].contiguous()


def step(loss: nn.Module, logits: Tensor, label: Tensor) -> None:
    """Compute a loss and its gradient."""
    logits.grad = None
    loss(logits, label).backward()


def seconds(run: Step, clock: Callable[[], float]) -> float:
    """Return what a step takes on a clock."""
    start = clock()
    run()
    return clock() - start


def peak_bytes(run: Step, logits: Tensor) -> int:
    """Return the most bytes that a step holds beside logits and labels."""
    logits.grad = None
    if get_device() == 'cuda':
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True
    ) as found:
        run()
    changes = [
        (each.start_ns(), each.nbytes())
        for each in found.profiler.kineto_results.events()
        if each.name() == '[memory]'
    ]
    return max(accumulate(size for _, size in sorted(changes)))


def show_operations(name: str, run: Step, rows: int = 4) -> None:
    """Print the operations that take most of a step's time."""
    cuda = get_device() == 'cuda'
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda
    key = f'self_{"device" if cuda else "cpu"}_time_total'
    with profile(activities=kinds) as found:
        run()
        synchronize()
    table = sorted(found.key_averages(), key=lambda each: -getattr(each, key))
    total = sum(getattr(each, key) for each in table)
    shares = ', '.join(
        f'{each.key} {100 * getattr(each, key) / total:.0f}%'
        for each in table[:rows]
    )
    print(f'operations of {name}: {shares}', flush=True)


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Measure every metric and print what was found."""
    options = parser(__doc__, repeats=15)
    options.add_argument('--classes', type=int, default=19)
    options.add_argument('--size', type=int, default=512)
    options.add_argument(
        '--present', type=int, help='classes in the labels; default: all'
    )
    args = options.parse_args(argv)
    if args.quick:
        args.repeats, args.size = 2, 64
    show_surroundings(
        f'AutoSegLoss and cross entropy, {args.classes} classes, '
        f'{args.size} x {args.size} pixels, '
        f'{args.present or args.classes} classes present'
    )
    present = args.present or args.classes
    batch = make_batch(args.classes, args.size, present)
    entropy = partial(
        step, CrossEntropyLoss(ignore_index=255, avg_non_ignore=True), *batch
    )
    for theta, named in NAMED_POINTS.items():
        run = partial(step, AutoSegLoss(named.metric, theta), *batch)
        show(named.metric, run, entropy, batch[0], args.repeats)


def show(
    metric: str, run: Step, entropy: Step, logits: Tensor, repeats: int
) -> None:
    """Print time, memory and operations of one metric."""
    for warm in (run, entropy):
        warm()
    for kind, clock in (('work', busy), ('wall clock', wall)):
        pairs = [
            (seconds(run, clock), seconds(entropy, clock))
            for _ in range(repeats)
        ]
        ours, theirs = zip(*pairs, strict=True)
        print(
            f'{metric}: {kind} {1e3 * min(ours):.1f} ms, cross entropy '
            f'{1e3 * min(theirs):.1f} ms at best'
        )
        show_ratio(
            f'{metric} / cross entropy, {kind}', ours, theirs, 'at most 3'
        )
    most, usual = (peak_bytes(each, logits) for each in (run, entropy))
    print(
        f'{metric}: peak {most / 2**20:.0f} MiB, cross entropy '
        f'{usual / 2**20:.0f} MiB'
    )
    show_ratio(
        f'{metric} / cross entropy, peak memory', [most], [usual], 'at most 3'
    )
    show_operations(metric, run)


if __name__ == '__main__':
    main()
