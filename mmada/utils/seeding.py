"""Seeds that depend on what is done, never on what was done before."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


def derive_seed(seed: int, *keys: int | str) -> int:
    """Hash a seed and keys into a new seed below 2^32.

    Args:
        seed: The run's seed.
        keys: What the new seed is for, such as ('round', 3).
    """
    text = repr((seed, *keys)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], 'big')


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # the accelerators' generators as well


class RngState(NamedTuple):
    """The global generators' states, of one accelerator at most."""

    python: Any
    numpy: Any
    torch: Tensor
    cuda: Tensor | None


def capture_rng() -> RngState:
    """Return the states of the global generators."""
    cuda = torch.cuda.is_available()
    return RngState(
        random.getstate(),
        np.random.get_state(),
        torch.get_rng_state(),
        torch.cuda.get_rng_state() if cuda else None,
    )


def restore_rng(state: RngState) -> None:
    """Put the global generators into states captured before."""
    random.setstate(state.python)
    np.random.set_state(state.numpy)
    torch.set_rng_state(state.torch)
    if state.cuda is not None:
        torch.cuda.set_rng_state(state.cuda)


@contextlib.contextmanager
def preserve_rng() -> Iterator[None]:
    """Give the global generators back as they were."""
    # torch's own `fork_rng` would warn where there are several accelerators.
    state = capture_rng()
    try:
        yield
    finally:
        restore_rng(state)


def seed_worker(
    worker_id: int,
    seed: int,
    then: Callable[[int], object] = lambda worker_id: None,
) -> None:
    """Seed a dataloader worker from the segment's seed and its number.

    Args:
        worker_id: Number of the worker.
        seed: Of the segment.
        then: The `worker_init_fn` of the dataloader's config.
    """
    seed_all(derive_seed(seed, 'worker', worker_id))
    torch.set_num_threads(1)
    then(worker_id)
