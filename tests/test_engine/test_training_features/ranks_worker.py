"""Explores and trains on two ranks, with and without training features."""

from torch._dynamo.utils import counters

from tests.support import processes, toy
from tests.test_engine.test_training_features import uses

KINDS = dict(
    plain={},
    recomputed=dict(activation_checkpointing=['trunk']),
    compiled=dict(compile=dict(backend='eager')),
)


def explore_and_train(work_dir):
    """Runs each kind, and prints how many graphs there are by then."""
    joined = processes.join()
    for kind, options in KINDS.items():
        loader = toy.dataloader()
        loader['batch_size'] //= processes.world_size()
        uses.build(
            'both',
            work_dir / kind,
            train_dataloader=loader,
            exploration=dict(dataloader=toy.dataloader()),
            **options,
            **joined,
        ).train()
        print(f'{kind}: {counters["stats"]["unique_graphs"]} graphs')
