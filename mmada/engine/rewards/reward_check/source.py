"""Where a config says what its rewards are."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from mmengine.registry import DATASETS
from torch.utils.data import Dataset

from mmada.engine.rewards.reward_evaluator import RewardEvaluator


class RewardSource(NamedTuple):
    """Data and metrics that a config scores a model with.

    Attributes:
        dataloader: Config of the data.
        evaluator: Config of the metrics.
        metric: What is maximised; None if the config does not say.
        explores: Whether they are those of an exploration.
    """

    dataloader: dict[str, Any]
    evaluator: Any
    metric: str | Mapping[str, float] | None
    explores: bool


class FirstImages(Dataset):
    """The first images of a dataset.

    Args:
        dataset: The whole.
        count: How many to keep; all if there are fewer.
    """

    def __init__(self, dataset: Any, count: int) -> None:
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        self.dataset = dataset
        self.count = min(count, len(dataset))
        self.metainfo = getattr(dataset, 'metainfo', None)

    def __len__(self) -> int:
        """Returns the number of images kept."""
        return self.count

    def __getitem__(self, index: int) -> Any:
        """Returns what the pipeline makes of an image."""
        return self.dataset[index]

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Returns the annotation of an image."""
        return self.dataset.get_data_info(index)


def find_reward(config: Mapping[str, Any]) -> RewardSource:
    """Returns the rewards of a config's (first) exploration.

    A config without one is judged by its test data.

    Args:
        config: A whole config.

    Raises:
        ValueError: If there are neither rewards nor test data.
    """
    train_cfg = config.get('train_cfg') or {}
    found = train_cfg.get('exploration', train_cfg)
    found = found[0] if isinstance(found, (list, tuple)) else found
    if 'reward_dataloader' in found:
        return RewardSource(
            found['reward_dataloader'],
            found['reward_evaluator'],
            found.get('reward_metric', 'coco_panoptic/PQ'),
            explores=True,
        )
    missing = [
        key
        for key in ('test_dataloader', 'test_evaluator')
        if not config.get(key)
    ]
    if missing:
        raise ValueError(
            'the config has no exploration with a `reward_dataloader`; '
            f'expected then {" and ".join(missing)}, found none'
        )
    return RewardSource(
        config['test_dataloader'],
        config['test_evaluator'],
        None,
        explores=False,
    )


def build_evaluator(
    source: RewardSource, max_images: int | None
) -> RewardEvaluator:
    """Builds what an exploration would score its replicas with.

    Args:
        source: Its configs.
        max_images: Keeps the first images only; None for all.

    Raises:
        ValueError: If no image is to be kept.
    """
    dataloader = copy.deepcopy(source.dataloader)
    if max_images is not None:
        if max_images < 1:
            raise ValueError(f'max_images should be >= 1, found {max_images}')
        whole = DATASETS.build(dataloader['dataset'])
        dataloader['dataset'] = FirstImages(whole, max_images)
    # The name plays no part in what is measured.
    metric = source.metric or 'coco_panoptic/PQ'
    return RewardEvaluator(dataloader, source.evaluator, metric, seed=0)
