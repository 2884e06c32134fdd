"""What it costs to put one replica away and the next one in.

Capturing the live model, and restoring it, against a plain clone of the same
tensors: parameters, buffers and the optimizer's. A ResNet-50 with momentum.
Beside the time the copied bytes are counted as torch is asked to copy them.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/replica_switch.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from measure import busy, parser, show_ratio, show_surroundings
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch.utils._python_dispatch import TorchDispatchMode
from wide_problem import DEPTH, WideModel, clone_tensors, num_bytes

from mmada.commands.command_line import ends_with_reader
from mmada.engine.replicas.live_replica import LiveReplica

COPIES = (
    torch.ops.aten.clone.default,
    torch.ops.aten.copy_.default,
    torch.ops.aten._to_copy.default,
)


class CopyCounter(TorchDispatchMode):
    """Counts the bytes that are copied inside.

    Attributes:
        copied: Bytes so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.copied = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Do what it is asked to, and count copies."""
        result = func(*args, **(kwargs or {}))
        if func in COPIES:
            self.copied += num_bytes(result)
        return result


def make_live(depth: int) -> LiveReplica:
    """Return a model that has been trained for a step."""
    model = WideModel(depth).to(get_device())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    live = LiveReplica(model, OptimWrapper(optimizer))
    losses = model(
        [torch.randn(3, 32, 32, device=get_device()) for _ in range(2)]
    )
    live.optim_wrapper.update_params(sum(losses.values()))
    return live


def seconds(action: Callable[[], Any]) -> float:
    """Return how long an action takes; its result is let go of later."""
    began = busy()
    result = action()
    taken = busy() - began
    del result
    return taken


def copied(action: Callable[[], Any]) -> int:
    """Return the bytes that an action copies."""
    with CopyCounter() as counter:
        action()
    return counter.copied


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print times and ratios."""
    args = parser(__doc__, repeats=50).parse_args(argv)
    depth, repeats = (18, 2) if args.quick else (DEPTH, args.repeats)
    live = make_live(depth)
    snapshot = live.capture()
    size = num_bytes(snapshot)
    show_surroundings(
        f'State of {size / 1e6:.0f} MB: parameters, buffers and momentum of '
        f'a ResNet-{depth}'
    )
    actions: dict[str, Callable[[], Any]] = {
        'plain clone': lambda: clone_tensors(snapshot),
        'capture': live.capture,
        'restore': lambda: live.restore(snapshot),
    }
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            times[name].append(seconds(action))
    for name, found in times.items():
        middle = sorted(found)[len(found) // 2]
        print(
            f'{name}: {1000 * middle / (size / 1e8):.1f} ms for 100 MB, '
            f'{copied(actions[name]) / size:.3f} of the state copied'
        )
    for name in ('capture', 'restore'):
        goal = 'goal: one copy of the state'
        show_ratio(f'{name} / clone', times[name], times['plain clone'], goal)


if __name__ == '__main__':
    main()
