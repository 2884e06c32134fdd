"""What a search is told, and where it is in its schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.registry import TASK_UTILS
from mmengine.runner import BaseLoop

from mmada.engine.loops.config_checks import check_length, controller_class
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.engine.reward import RewardMetric
from mmada.engine.targets import Target


class SearchLoop(BaseLoop):
    """Base of the loop that explores: its options and its counters.

    Hooks and checkpoints read the counters as those of an ordinary training.

    The arguments are those of :class:`ParallelExplorationLoop`.

    Raises:
        ValueError: If an option does not fit.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: dict[str, Any],
        num_rounds: int,
        controller: dict[str, Any],
        reward_dataloader: dict[str, Any],
        reward_evaluator: dict[str, Any] | list[dict[str, Any]],
        reward_metric: str | dict[str, float] = 'coco_panoptic/PQ',
        target: dict[str, Any] | None = None,
        iters_per_round: int | None = None,
        log_interval: int = 50,
        seed: int | None = None,
        ranks_per_replica: int | None = None,
        replica_timeout: float = 12 * 3600,
        directory: str = 'exploration',
    ) -> None:
        check_length(num_rounds, replica_timeout)
        self.reward_metric = RewardMetric(reward_metric)
        self.seed = runner.seed if seed is None else seed
        self.loader = SegmentLoader(dataloader, iters_per_round, self.seed)
        super().__init__(runner, self.loader.template)
        self.num_rounds = num_rounds
        self._reward = (
            reward_dataloader,
            reward_evaluator,
            reward_metric,
            self.seed,
        )
        self.target: Target = TASK_UTILS.build(
            target or dict(type='LossWeights')
        )
        self._controller_config = controller
        self._training_rounds = controller_class(
            controller, self.target
        ).training_rounds(num_rounds, controller)
        self._directory = directory
        self._ranks_per_replica = ranks_per_replica
        self._replica_timeout = replica_timeout
        self._log_interval = log_interval
        self._epoch = 0
        self._iter = 0

    @property
    def iter(self) -> int:
        """Iterations of the committed trajectory."""
        return self._iter

    @property
    def epoch(self) -> int:
        """Epochs of the committed trajectory."""
        return self._epoch

    @property
    def max_iters(self) -> int:
        """Iterations of the schedule, of one training in rounds."""
        return self._training_rounds * self.loader.num_iters

    @property
    def max_epochs(self) -> int:
        """Epochs of the committed trajectory, rounded up."""
        return -(-self.max_iters // self.loader.epoch_length)

    @property
    def directory(self) -> Path:
        """Where the states of the exploration are."""
        return Path(self.runner.work_dir) / self._directory

    def _count(self, rounds: int) -> None:
        """Sets the counters after so many rounds of one training."""
        self._iter = rounds * self.loader.num_iters
        self._epoch = self._iter // self.loader.epoch_length
