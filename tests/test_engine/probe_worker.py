"""Probes a model whose losses differ from rank to rank.

Arguments: the objectives, as JSON, and the type of the detector. Prints the
objectives' names, the owners, and how many batches were looked at.
"""

import json
import sys

import torch
from mmengine.registry import MODELS

from tests.support import processes
from tests.test_engine.test_probe import (
    LateDetector,
    build,
    build_auto,
    owners,
    probe,
    stream,
)


class SumOfRanks(torch.autograd.Function):
    """Sums over the ranks, gradients too, as SyncBN does."""

    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        processes.torch_dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        processes.torch_dist.all_reduce(gradient)
        return gradient


@MODELS.register_module()
class MeetingDetector(LateDetector):
    """Waits for the other ranks in its forward pass and in the backward."""

    def __init__(self):
        super().__init__()
        self.trunk.append(_Meeting())


class _Meeting(torch.nn.Module):
    def forward(self, x):
        return SumOfRanks.apply(x)


processes.join()
objectives, detector = json.loads(sys.argv[1]), sys.argv[2]
make = build_auto if objectives == 'auto' else build
live = make(detector=detector)
# Only rank 1 has a batch with the loss b, its second one.
rank = processes.torch_dist.get_rank()
probe(live, stream(1 if rank == 1 else None))
found = live.model.objectives.names, owners(live), live.model.detector.calls
print(json.dumps(found))
processes.leave()
