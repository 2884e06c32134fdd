"""Trains with every method on one rank or several."""

import json
import math

import torch
from mmengine import dist
from mmengine.hooks import Hook

from mmada.models import iteration_losses
from tests.support import processes, toy

METHODS = {
    'RandomLossWeighting': {},
    'UncertaintyWeighting': dict(lr=0.1),
    'Famo': dict(lr=0.1, total=2.0),
}


class Keep(Hook):
    """Keeps the weights of each iteration."""

    def __init__(self):
        self.weights = []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        model = getattr(runner.model, 'module', runner.model)
        self.weights.append(list(model.objective_weights.values))


def check_absent():
    """One objective on both ranks, one on the first, one on none."""
    rank = dist.get_rank()
    found = {0: torch.tensor(rank + 1.0)}
    if rank == 0:
        found[1] = torch.tensor(5.0)
    first, second, third = iteration_losses(found, 3).tolist()
    size = dist.get_world_size()
    assert (first, second) == ((size + 1) / 2, 5) and math.isnan(third)


def train(folder):
    """Trains, and leaves the weights of all iterations of each rank."""
    options = dict(model=toy.SMOOTH, **processes.join())
    check_absent()
    training = toy.dataloader()
    training['batch_size'] //= processes.world_size()
    for method, given in METHODS.items():
        work_dir = folder / method
        runner = toy.runner(
            work_dir,
            train_dataloader=training,
            custom_hooks=[
                dict(
                    type='StepWeightingHook',
                    weighting=dict(type=method, **given),
                )
            ],
            **options,
        )
        keep = Keep()
        runner.register_hook(keep)
        runner.train()
        path = work_dir / f'seen_{dist.get_rank()}.json'
        path.write_text(json.dumps(keep.weights))
