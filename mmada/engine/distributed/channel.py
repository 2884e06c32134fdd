"""Messages between all ranks: outcomes, and the winner's broadcast.

What of the winner is sent, and when, is up to `exploration/start_states.py`.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import socket
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as torch_dist
from mmengine import dist
from mmengine.device import get_device
from torch import Tensor

T = TypeVar('T')


class RemoteError(RuntimeError):
    """Something failed on another rank."""


class Channel:
    """A channel of its own between all ranks, whatever trains beside it.

    Its errors name the ranks that are missing, and their hosts.

    It uses gloo on the CPU, so that a rank that waits for hours blocks no
    accelerator and trips no watchdog, and a rank that dies is noticed at
    once. In a run that is not distributed every method is the identity.

    Args:
        timeout: Seconds that a rank may keep the others waiting.
    """

    def __init__(self, timeout: float = 1800.0) -> None:
        self.rank, self.size = dist.get_dist_info()
        self._timeout = datetime.timedelta(seconds=timeout)
        self._group: Any = None
        self._hosts: list[Any] = [None] * self.size
        if dist.is_distributed():
            self._group = torch_dist.new_group(
                backend='gloo', timeout=self._timeout
            )
            torch_dist.all_gather_object(
                self._hosts, socket.gethostname(), self._group
            )

    def from_main(self, function: Callable[[], T]) -> T:
        """Call a function on rank 0 and return its result on all.

        Raises:
            RemoteError: On the other ranks, if it raised on rank 0.
        """
        if self.size == 1:
            return function()
        message: list[Any] = [None, None]
        if self.rank == 0:
            try:
                message[0] = function()
            except Exception:
                message[1] = traceback.format_exc()
                self._broadcast_objects(message, 0)
                raise
        self._broadcast_objects(message, 0)
        if message[1] is not None:
            raise RemoteError(f'Rank 0 failed:\n{message[1]}')
        return message[0]

    def gather(self, value: T, doing: Callable[[int], str]) -> list[T]:
        """Return the values of all ranks, by rank, on all ranks.

        Args:
            value: This rank's, small and picklable.
            doing: What a rank does meanwhile, for the message about one
                that does not answer.

        Raises:
            RemoteError: If a rank died, or did not answer in time.
        """
        if self.size == 1:
            return [value]
        try:
            torch_dist.monitored_barrier(
                self._group,
                self._timeout,
                wait_all_ranks=True,
            )
            values: list[Any] = [None] * self.size
            torch_dist.all_gather_object(values, value, self._group)
        except RuntimeError as error:
            raise RemoteError(self._explain(error, doing)) from error
        return values

    def broadcast(self, value: T, source: int) -> T:
        """Return a rank's nested value, with tensors in it, on all ranks.

        Args:
            value: Nested dicts, lists and tuples; looked at on `source`
                alone, where it is returned as it is.
            source: The rank that has it.
        """
        if self.size == 1:
            return value
        tensors: list[Tensor] = []
        message = [
            _detach_tensors(value, tensors) if self.rank == source else None
        ]
        self._broadcast_objects(message, source)
        if self.rank != source:
            return _attach_tensors(
                message[0], lambda spec: self._receive(spec, source)
            )
        for tensor in tensors:
            self._broadcast(tensor.detach().cpu().contiguous(), source)
        return value

    def close(self) -> None:
        """Give the channel back."""
        if self._group is not None:
            torch_dist.destroy_process_group(self._group)
            self._group = None

    def _receive(self, spec: _TensorSpec, source: int) -> Tensor:
        tensor = torch.empty(spec.shape, dtype=spec.dtype)
        self._broadcast(tensor, source)
        return tensor.to(get_device()) if spec.accelerated else tensor

    def _broadcast_objects(self, message: list[Any], source: int) -> None:
        with self._losing(source):
            torch_dist.broadcast_object_list(message, source, self._group)

    def _broadcast(self, tensor: Tensor, source: int) -> None:
        with self._losing(source):
            torch_dist.broadcast(tensor, source, self._group)

    @contextlib.contextmanager
    def _losing(self, source: int) -> Iterator[None]:
        """Name the ranks that may have died, when a broadcast breaks."""
        try:
            yield
        except RuntimeError as error:
            others = {source} if source != self.rank else self._others()
            raise RemoteError(
                f'Rank {self._place(self.rank)} lost rank '
                f'{" or ".join(map(self._place, sorted(others)))}: {error}'
            ) from error

    def _others(self) -> set[int]:
        return set(range(self.size)) - {self.rank}

    def _place(self, rank: int) -> str:
        return f'{rank} on {self._hosts[rank]}'

    def _explain(
        self, error: RuntimeError, doing: Callable[[int], str]
    ) -> str:
        # The others hear of rank 0 alone, which hears of all.
        unnamed = self._others() if self.rank == 0 else {0}
        silent = _ranks_in(str(error)) or unnamed
        seconds = self._timeout.total_seconds()
        text = ''.join(
            f'\n  rank {self._place(r)}: {doing(r)}' for r in sorted(silent)
        )
        hint = '; the log of rank 0 may name another' if self.rank else ''
        return (
            f'Rank {self._place(self.rank)} waited at most {seconds:g} s '
            f'(`replica_timeout`) for:{text}\nA rank died or takes '
            f'longer{hint}. {error}'
        )


def _ranks_in(message: str) -> set[int]:
    """Return the ranks that gloo's message blames, if it names any."""
    found = re.search(r'Ranks? ((?:\d+(?:, )?)+) failed', message)
    return {int(rank) for rank in found[1].split(', ')} if found else set()


class _TensorSpec(NamedTuple):
    """Stands for a tensor in a message; the tensor follows.

    Attributes:
        shape: Its shape.
        dtype: Its type.
        accelerated: Whether it was on an accelerator.
    """

    shape: torch.Size
    dtype: torch.dtype
    accelerated: bool


def _detach_tensors(value: Any, tensors: list[Tensor]) -> Any:
    """Replace the tensors of a nested value by their specs."""
    if isinstance(value, Tensor):
        tensors.append(value)
        accelerated = value.device.type != 'cpu'
        return _TensorSpec(value.shape, value.dtype, accelerated)
    if isinstance(value, dict):
        return {k: _detach_tensors(v, tensors) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_detach_tensors(v, tensors) for v in value)
    return value


def _attach_tensors(
    value: Any, receive: Callable[[_TensorSpec], Tensor]
) -> Any:
    """Replace the specs of `_detach_tensors` by tensors, in its order."""
    if isinstance(value, _TensorSpec):
        return receive(value)
    if isinstance(value, dict):
        return {k: _attach_tensors(v, receive) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_attach_tensors(v, receive) for v in value)
    return value
