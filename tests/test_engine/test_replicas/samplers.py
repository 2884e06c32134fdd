"""Samplers as a user writes them."""

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler


@DATA_SAMPLERS.register_module()
class WeightedSampler(Sampler):
    """Draws each image by its weight, from torch's global generator."""

    def __init__(self, dataset, weights, seed=None):
        self.dataset = dataset
        self.weights = torch.tensor(weights)

    def __len__(self):
        return len(self.dataset)

    def __iter__(self):
        return iter(torch.multinomial(self.weights, len(self), True).tolist())


@DATA_SAMPLERS.register_module()
class UnseededSampler(WeightedSampler):
    """Draws from a generator that nobody can seed."""

    def __iter__(self):
        return iter(np.random.default_rng().permutation(len(self)))


@DATA_SAMPLERS.register_module()
class EmptySampler(WeightedSampler):
    """Has a length, and gives nothing."""

    def __iter__(self):
        return iter(())


@DATA_SAMPLERS.register_module()
class RankedSampler(WeightedSampler):
    """Gives each rank its part of what is drawn from a seed and an epoch."""

    def __init__(self, dataset, weights, seed):
        super().__init__(dataset, weights)
        self.seed = seed
        self.rank, self.size = get_dist_info()
        self.epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return len(self.dataset) // self.size

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        drawn = torch.multinomial(
            self.weights, len(self.dataset), True, generator=generator
        )
        return iter(drawn[self.rank :: self.size].tolist())
