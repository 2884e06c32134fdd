"""CamVid as the images of a problem.

They are not drawn but have to be there, as
`tools/convert_camvid_panoptic.py DATA data/camvid_panoptic --size 240 180`
writes them; the environment variable MMADA_CAMVID names another folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmada.datasets.image_subset import read_ids

SIZE = (180, 240)
NUM = dict(train=266, reward=101, test=233, val=101)
DEFAULT_FOLDER = 'data/camvid_panoptic/'


@dataclass(frozen=True)
class CamVidImages:
    """Which images of CamVid train, reward and test.

    No row trains on the images of the rewards, which are another sequence.

    Args:
        num: How many of each part are used, the first ones.
        seed: Of the scales that are drawn.
        scored: What a finished model is scored on, 'test' or 'val'.
    """

    num: Mapping[str, int] = field(default_factory=lambda: NUM)
    seed: int = 31
    scored: str = 'test'

    def manifest(self) -> dict[str, Any]:
        """Return what identifies the images."""
        return dict(asdict(self), data='CamVid', size=list(SIZE))

    def check(self) -> None:
        """Check that the images are there, and of this size and split.

        Raises:
            ValueError: If they are not.
        """
        folder = os.environ.get('MMADA_CAMVID', DEFAULT_FOLDER)
        annotations = Path(folder) / 'annotations'
        try:
            listed = read_ids(str(annotations / 'panoptic_train_reward.txt'))
            text = (annotations / 'panoptic_train.json').read_text()
        except OSError as error:
            found: Any = error
        else:
            image = json.loads(text)['images'][0]
            size = (image['height'], image['width'])
            parts = (listed.num_images - len(listed.ids), len(listed.ids))
            if (size, parts) == (SIZE, (NUM['train'], NUM['reward'])):
                return
            found = f'{size}, with {parts} images to train on and for rewards'
        raise ValueError(
            '`MMADA_CAMVID` should be a folder of CamVid, written by '
            'tools/convert_camvid_panoptic.py with `--size 240 180`. Found '
            f'{folder}: {found}.'
        )

    def apply(self, cfg: Config) -> None:
        """Set the dataloaders of a config.

        Args:
            cfg: Changed in place.
        """
        cfg.train_dataloader = cfg.proxy_dataloader
        cfg.test_dataloader = cfg[f'{self.scored}_dataloader']
        cfg.test_evaluator = cfg[f'{self.scored}_evaluator']
        # For a search by them, as the config's own validation is turned off.
        cfg.val_reward_dataloader = cfg.val_dataloader
        own = {'ann_file', 'seg_prefix'} & cfg.val_evaluator.keys()
        cfg.val_reward_evaluator = dict(
            cfg.reward_evaluator,
            **{key: cfg.val_evaluator[key] for key in own},
        )
        for part in ('train', 'reward', 'test'):
            dataset: ConfigDict = cfg[f'{part}_dataloader'].dataset
            dataset = dataset.get('dataset', dataset)  # inside of a subset
            if self.num[part] < NUM[part]:
                dataset.indices = self.num[part]
