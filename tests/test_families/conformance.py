"""The suite of detectors on a family, with its own data and metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from mmada.testing import DetectorConformance
from mmada.testing.detector_training import read_lines
from tests.support import tiny_data
from tests.support.tiny_annotations import write_annotations
from tests.test_families.family import Family

OFFSET, SIZE = 100, 3  # of the reward images


class FamilyConformance(DetectorConformance):
    """Subclass it with a name that pytest collects."""

    case: ClassVar[Family]

    def dataloader(self, offset: int = 0, size: int = 4) -> dict[str, Any]:
        """Returns a dataloader config of batches of two."""
        config = tiny_data.dataloader(offset, size, batch_size=2)
        config['dataset']['type'] = self.case.dataset
        return config

    def reward(self, folder: Path) -> dict[str, Any]:
        """Returns what scores a replica, and writes what it reads."""
        write_annotations(folder, OFFSET, SIZE)
        evaluator = {
            key: value.format(truth=folder)
            if isinstance(value, str)
            else value
            for key, value in self.case.metric.evaluator.items()
        }
        return dict(
            reward_dataloader=self.dataloader(OFFSET, SIZE),
            reward_evaluator=evaluator,
            reward_metric=self.case.metric.key,
        )

    def test_every_replica_finds_something(self, explored: Path) -> None:
        for record in read_lines(explored / 'exploration/history.jsonl'):
            key = self.case.metric.key
            assert all(metrics[key] > 0 for metrics in record['metrics'])
