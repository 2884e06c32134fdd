"""One rank of a training weighted by gradients; one rank trains plainly."""

import os

import torch
import torch.distributed as torch_dist
from mmengine.hooks import Hook
from mmengine.registry import MODELS

from mmada.engine.probe import unwrap
from tests.support import processes, toy


@MODELS.register_module()
class PlainDetector(toy.ToyDetector):
    """Nothing depends on the size of a batch; `b` is absent where told."""

    iteration = -1

    def __init__(self):
        super().__init__()
        self.trunk = torch.nn.Linear(4, 8)

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        if os.environ.get('ABSENT') == str(self.iteration):
            del found['loss_b']
        return found


class Watch(Hook):
    """Counts iterations for the model; keeps the weights."""

    def __init__(self):
        self.weights = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        unwrap(runner.model).iteration = runner.iter

    def after_train_iter(self, runner, *args, **kwargs):
        model = unwrap(runner.model)
        self.weights.append(list(model.objective_weights.values))


def train(folder, aggregator):
    """Trains, and saves parameters and weights of each rank."""
    options = processes.join()
    if options:
        options['model_wrapper_cfg']['find_unused_parameters'] = True
    loader = toy.dataloader(shuffle=False)
    loader['batch_size'] //= processes.world_size()
    runner = toy.runner(
        folder / 'run',
        model=dict(toy.MODEL, detector=dict(type='PlainDetector')),
        train_dataloader=loader,
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode='grad')),
        custom_hooks=[
            dict(
                type='GradientWeightingHook',
                weighting=dict(
                    type='AggregatorWeighting',
                    aggregator=aggregator,
                ),
            ),
        ],
        **options,
    )
    watch = Watch()
    runner.register_hook(watch)
    runner.train()
    state = unwrap(runner.model).state_dict()
    rank = torch_dist.get_rank() if options else 0
    torch.save((state, watch.weights), folder / f'{rank}.pt')
