"""One rank of the distributed test; a single rank trains plainly."""

import torch
from mmengine.dist import get_dist_info
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS

from mmada.models import ObjectiveMeter
from tests.support import processes, toy


def batches(rank, world_size):
    """Splits two batches of four rows evenly over the ranks."""
    dataset, size = toy.ToyDataset(), 4 // world_size
    for start in (0, 4):
        rows = [dataset[start + rank * size + i] for i in range(size)]
        yield dict(x=[r['x'] for r in rows], y=[r['y'] for r in rows])


def build():
    """Builds the model without what depends on the size of a batch."""
    torch.manual_seed(0)
    model = MODELS.build(dict(toy.MODEL, weights=[2.0, 0.5]))
    model.trunk = torch.nn.Linear(4, 8)
    return model


def train(path, mode):
    """Trains and saves parameters, logged losses and mean losses."""
    joined = processes.join()
    rank, world_size = get_dist_info()
    inner = build()
    model = MMDistributedDataParallel(inner) if joined else inner
    optim_wrapper = build_optim_wrapper(
        model,
        dict(toy.OPTIM_WRAPPER, head_rule=dict(mode=mode)),
    )
    optim_wrapper.head_rule.assign(
        {
            name: dict(trunk=(0, 1), head_a=(0,), head_b=(1,), rpn=())[
                name.split('.')[0]
            ]
            for name, _ in inner.named_parameters()
        }
    )
    meter = ObjectiveMeter(inner.objective_weights.objectives)
    for batch in batches(rank, world_size):
        meter.update(model.train_step(batch, optim_wrapper))
    meter.mean()  # asked again, it must not add up the ranks twice
    mean = meter.mean()
    if rank == 0:
        torch.save((inner.state_dict(), mean), path)
