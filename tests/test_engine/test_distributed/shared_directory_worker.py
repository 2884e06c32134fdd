"""Searches of ranks that may have work directories of their own."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from mmada.engine.distributed import shared_directory
from tests.support import processes, toy

SEARCH = toy.exploration(
    num_rounds=1, controller=dict(type='AdaSegment', num_replicas=2)
)
TRAINED = dict(
    type='ExploreThenTrainLoop',
    exploration=SEARCH,
    training=dict(type='EpochBasedTrainLoop', max_epochs=1),
)


def _own(folder: Path) -> Path:
    """Returns the directory of this rank."""
    return folder / f'node{os.environ["RANK"]}'


def search(folder: Path, then_train: bool) -> None:
    """Searches, each rank in a directory that the other does not have."""
    shared_directory.WAIT = 0.5
    options: dict[str, Any] = dict(train_cfg=SEARCH)
    if then_train:
        hook = dict(type='PolicyWeightingHook')
        options = dict(train_cfg=TRAINED, custom_hooks=[hook])
    toy.runner(_own(folder), **options, **processes.join()).train()


def look(folder: Path) -> None:
    """Looks for a token that shows on rank 1 after a while."""
    processes.join()
    shared, own = folder / 'node0', _own(folder)
    if own == shared:
        shared.mkdir()
    else:
        threading.Timer(0.5, own.symlink_to, (shared,)).start()
    shared_directory.check_shared_directory(own)
    print('seen')
