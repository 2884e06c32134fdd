"""Loading of a checkpoint that says what it did not find."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from mmengine.runner import load_checkpoint
from torch import nn


class LoadReport(NamedTuple):
    """How a checkpoint fits a model, by names of parameters and buffers.

    Attributes:
        total: How many the model has.
        missing: Those of the model that the checkpoint lacks: they keep
            their random start.
        misshapen: Those of another shape: they keep it, too.
        unexpected: Those of the checkpoint that the model lacks.
        not_finite: Those with a NaN or an infinity, after loading.
    """

    total: int
    missing: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()


def load_weights(model: nn.Module, path: str) -> LoadReport:
    """Load a checkpoint as a Runner does, which forgives what is missing.

    Args:
        model: A detector, bare or wrapped.
        path: Checkpoint of the detector, bare or wrapped.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no checkpoint.
    """
    try:
        checkpoint = load_checkpoint(model, path, map_location='cpu')
    except OSError:
        raise
    except Exception as error:
        # What torch makes of the bytes of another file can be any error.
        raise ValueError(
            f'{path} should be a checkpoint. Found {type(error).__name__}: '
            f'{error}'
        ) from error
    found = _entries(checkpoint)
    wanted = model.state_dict()
    shared = wanted.keys() & found.keys()
    return LoadReport(
        len(wanted),
        # Old checkpoints do not count batches, and nothing depends on it.
        tuple(
            k
            for k in wanted
            if k not in shared and not k.endswith('num_batches_tracked')
        ),
        tuple(
            k
            for k in wanted
            if k in shared and wanted[k].shape != found[k].shape
        ),
        tuple(k for k in found if k not in shared),
        tuple(k for k, v in wanted.items() if not torch.isfinite(v).all()),
    )


def by_part(names: Iterable[str]) -> str:
    """Return how many names begin alike, such as 'neck (8)'."""
    counts = Counter(name.split('.')[0] for name in names)
    return ', '.join(f'{part} ({n})' for part, n in counts.most_common())


def _entries(checkpoint: dict[str, Any]) -> dict[str, Any]:
    entries = checkpoint.get('state_dict', checkpoint)
    return {
        re.sub(r'^module\.', '', key): value for key, value in entries.items()
    }
