"""Modules that know their ranks from the start, and no other ones."""

from __future__ import annotations

from mmcv.ops import SyncBatchNorm as MMSyncBatchNorm
from mmdet.models import BatchSyncRandomResize
from torch import nn


def refuse_world_bound(model: nn.Module) -> None:
    """Refuses modules that fixed the world as their group when built.

    Raises:
        ValueError: If there is one, naming it.
    """
    for name, module in model.named_modules():
        _refuse_fixed_group(name, module)
        if isinstance(module, BatchSyncRandomResize):
            raise ValueError(
                f'{name} is a BatchSyncRandomResize, which makes all ranks '
                'wait for each other; expected none in an exploration of '
                'several ranks: remove it from '
                '`data_preprocessor.batch_augments`.'
            )


def _refuse_fixed_group(name: str, module: nn.Module) -> None:
    """Refuses batch norms that would mix replicas, or wait for ranks."""
    mmcv = isinstance(module, MMSyncBatchNorm)
    fixed = getattr(module, 'process_group', None) is not None
    if mmcv or (fixed and isinstance(module, nn.SyncBatchNorm)):
        kind = "mmcv's ('MMSyncBN')" if mmcv else 'with a `process_group`'
        raise ValueError(
            f'{name} is a SyncBatchNorm {kind}, which averages over the '
            'ranks that it was built for; expected none in an exploration '
            "of several ranks: use type 'SyncBN' in `norm_cfg`, or "
            "`sync_bn='torch'`, which averages over those of its replica."
        )
