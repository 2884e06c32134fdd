"""One rank of the distributed test; a single rank trains plainly."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as torch_dist
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmada.models import ObjectiveMeter  # noqa: E402
from tests.support import processes, toy  # noqa: E402


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
    model.detector.trunk = torch.nn.Linear(4, 8)
    return model


def main():
    """Trains and saves parameters, logged losses and mean losses."""
    torch_dist.init_process_group('gloo')
    rank, world_size = torch_dist.get_rank(), torch_dist.get_world_size()
    inner = build()
    model = inner if world_size == 1 else MMDistributedDataParallel(inner)
    optim_wrapper = build_optim_wrapper(
        model,
        dict(
            toy.OPTIM_WRAPPER,
            head_rule=dict(mode=os.environ['MODE']),
        ),
    )
    optim_wrapper.head_rule.assign(
        {
            name: dict(trunk=(0, 1), head_a=(0,), head_b=(1,), rpn=())[
                name.split('.')[1]
            ]
            for name, _ in inner.named_parameters()
        }
    )
    meter = ObjectiveMeter(inner.objectives)
    for batch in batches(rank, world_size):
        meter.update(model.train_step(batch, optim_wrapper))
    meter.mean()  # asked again, it must not add up the ranks twice
    mean = meter.mean()
    if rank == 0:
        torch.save((inner.state_dict(), mean), sys.argv[1])


if __name__ == '__main__':
    main()
    processes.leave()
