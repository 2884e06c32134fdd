"""A network with many parameters and next to no work.

Beside its state nothing else takes memory or time: a ResNet on images of 32
pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models import ResNet
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmada.engine.replicas.live_replica import Snapshot

DEPTH = 50


@MODELS.register_module()
class WideModel(BaseModel):
    """Two losses on the features of a ResNet.

    Args:
        depth: Depth of the ResNet.
        extra: Millions of further parameters, which cost next to no time.
    """

    def __init__(self, depth: int = DEPTH, extra: int = 0) -> None:
        super().__init__()
        self.trunk = ResNet(depth, norm_eval=False, frozen_stages=-1)
        channels = self.trunk.feat_dim
        self.heads = nn.ModuleList([nn.Linear(channels, 1) for _ in range(2)])
        self.extra = nn.ParameterList(
            [nn.Parameter(torch.zeros(10**6)) for _ in range(extra)]
        )

    def forward(self, inputs: list[Tensor], mode: str = 'tensor') -> Any:
        """Return losses, or predictions that are not looked at."""
        features = self.trunk(torch.stack(inputs))[-1].mean((2, 3))
        if mode == 'predict':
            return [dict() for _ in inputs]
        for parameter in self.extra:
            features = features + parameter.mean()
        return {
            f'loss_{i}': head(features).square().mean()
            for i, head in enumerate(self.heads)
        }


@DATASETS.register_module()
class WideImages(Dataset):
    """Images of noise."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(index)
        return dict(inputs=torch.randn(3, 32, 32, generator=generator))


@METRICS.register_module()
class NoMetric(BaseMetric):
    """`wide/score`, always 0: the first replica wins each round."""

    default_prefix = 'wide'

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Count."""
        self.results += data_samples

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Return the score."""
        return dict(score=0.0)


def num_bytes(value: Any) -> int:
    """Return the bytes of all tensors of a nested value."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(num_bytes(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return sum(num_bytes(v) for v in value)
    return 0


def clone_tensors(snapshot: Snapshot) -> list[Tensor]:
    """Return a plain clone of each tensor of a nested value."""
    return [t.clone() for t in _tensors(snapshot)]


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [t for item in value for t in _tensors(item)]
    return []
