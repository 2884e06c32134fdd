"""Explores and trains on two ranks, with and without training features.

Argument: work directory.
"""

import sys
from pathlib import Path

from torch._dynamo.utils import counters

from tests import ranks, toy
from tests.test_engine.test_features import uses

KINDS = dict(
    plain={},
    recomputed=dict(activation_checkpointing=['trunk']),
    compiled=dict(compile=dict(backend='eager')),
)
joined = ranks.join()
for kind, options in KINDS.items():
    loader = toy.dataloader()
    loader['batch_size'] //= ranks.world_size()
    uses.build(
        'both',
        Path(sys.argv[1]) / kind,
        train_dataloader=loader,
        exploration=dict(dataloader=toy.dataloader()),
        **options,
        **joined,
    ).train()
    print(f'{kind}: {counters["stats"]["unique_graphs"]} graphs')
ranks.leave()
