"""One rank of a search, started as `tools/train.py` starts it."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from torch import distributed as torch_dist

from mmada.engine.distributed.launch import prepare_launch
from tests.support import toy
from tests.test_engine.test_training_features import uses


def explore(work_dir: Path, ranks_per_replica: int) -> None:
    """Explores, and prints how the ranks met."""
    cfg = Config(dict(launcher='pytorch'))
    prepare_launch(cfg)
    uses.run(
        'exploration',
        work_dir,
        model=toy.SMOOTH,
        exploration=dict(ranks_per_replica=ranks_per_replica),
        **cfg,
    )
    print('They met through', torch_dist.get_backend())
