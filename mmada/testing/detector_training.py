"""Short trainings of a detector under test through the real Runner."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.registry import DATASETS, METRICS
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import Dataset

from mmada.testing.detector_case import DetectorCase

SGD = dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4)
_COUNT = itertools.count()


@DATASETS.register_module()
class BatchSamples(Dataset):
    """The samples of a case's batch.

    Attributes:
        batch: Returns the batch; a config file cannot hold a function.
    """

    batch: ClassVar[Callable[[], dict[str, Any]]]

    def __init__(self) -> None:
        batch = type(self).batch()
        size = len(next(iter(batch.values())))
        self._samples = [
            {k: v[i] for k, v in batch.items()} for i in range(size)
        ]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return copy.deepcopy(self._samples[index])


@METRICS.register_module()
class PredictionMean(BaseMetric):
    """`mmada/prediction_mean`, the mean of all predicted numbers.

    It says nothing of how good they are, but needs no annotations, and
    differs from model to model.
    """

    default_prefix = 'mmada'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the numbers of each tensor that is predicted."""
        self.results += [
            value.double().flatten()
            for sample in data_samples
            for key, fields in sample.items()
            if key.startswith('pred_')
            for value in fields.values()
            if isinstance(value, Tensor)
        ]

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Return the mean, 0 where nothing is predicted."""
        count = sum(len(numbers) for numbers in results)
        total = sum(float(numbers.sum()) for numbers in results)
        return dict(prediction_mean=total / count if count else 0.0)


def batch_dataloader(case: DetectorCase) -> dict[str, Any]:
    """Return the config of a dataloader that gives the case's batch."""
    BatchSamples.batch = staticmethod(case.batch)
    return dict(
        batch_size=_size_of(case.batch()),
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='pseudo_collate'),
        dataset=dict(type='BatchSamples'),
    )


def _size_of(batch: dict[str, Any]) -> int:
    return len(next(iter(batch.values())))


def train(
    case: DetectorCase,
    work_dir: Path,
    dataloader: dict[str, Any],
    mode: str,
    **options: Any,
) -> None:
    """Train the wrapped detector.

    Args:
        case: The detector.
        work_dir: Where the run writes to.
        dataloader: Config of the training data.
        mode: Of the head rule.
        **options: Arguments of Runner.
    """
    config = dict(
        model=dict(
            type='LossWeightWrapper',
            objectives=dict(case.objectives),
            detector=dict(case.detector),
        ),
        work_dir=str(work_dir),
        train_dataloader=dataloader,
        optim_wrapper=dict(
            type='OptimWrapper',
            constructor='HeadRuleOptimWrapperConstructor',
            optimizer=dict(case.optimizer or SGD),
            clip_grad=dict(max_norm=10.0),
            head_rule=dict(mode=mode),
        ),
        default_scope=case.scope,
        log_level='ERROR',
        randomness=dict(seed=7),
        # Equal names would share loggers and message hubs.
        experiment_name=f'conformance{next(_COUNT)}',
        **options,
    )
    Runner.from_cfg(Config(copy.deepcopy(config))).train()


def explore(
    case: DetectorCase,
    work_dir: Path,
    dataloader: dict[str, Any],
    reward: dict[str, Any],
) -> None:
    """Explore 2 rounds of 2 replicas.

    Args:
        case: The detector.
        work_dir: Where the run writes to.
        dataloader: Config of the training data.
        reward: Options of the loop that say how a replica is scored.
    """
    loop = dict(
        type='ParallelExplorationLoop',
        num_rounds=2,
        iters_per_round=2,
        controller=dict(type='AdaSegment', num_replicas=2),
        **reward,
    )
    train(case, work_dir, dataloader, case.mode, train_cfg=loop)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]
