"""What all hooks share that weigh the losses of an ordinary training."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from mmengine.hooks import Hook
from mmengine.registry import TASK_UTILS
from mmengine.utils import apply_to
from torch import Tensor

from mmada.engine.distributed import Share
from mmada.engine.mmengine_adapters import is_resumed
from mmada.engine.monitor.monitor import scalar_name
from mmada.engine.probe import MAX_BATCHES, probe_objectives, unwrap
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.engine.training_features import prepare_features
from mmada.models import LossWeightWrapper
from mmada.utils.seeding import preserve_rng

STATE_KEY = 'mmada_loss_weighting'


class Stateful(Protocol):
    """What a checkpoint keeps of a weighting."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""


W = TypeVar('W', bound=Stateful)


class WeightingHook(Hook, ABC, Generic[W]):
    """Binds the objectives, keeps the weighting's state, publishes weights.

    Before the training the model is looked at once, which binds its
    objectives and tells the head rule the owners; then the weighting is
    built, and either restored from the checkpoint or started. When the
    weights are set is up to the subclass. A subclass publishes them once a
    period: to `work_dir/weights.jsonl` and to the visual backends under
    `weights/`.

    Args:
        interval: Iterations of a period; None for an epoch.

    Attributes:
        model: The wrapped model, inside model wrappers if there are some.
        weighting: Set before the training; None until then.
        period: Iterations of a period.
        num_periods: Periods of the training, the last one may be short.
    """

    model: LossWeightWrapper
    weighting: W | None
    period: int
    num_periods: int

    def __init__(self, interval: int | None = None) -> None:
        check_iterations('interval', interval)
        self._interval = interval
        self._resumed: Mapping[str, Any] | None = None
        self.weighting = None

    @abstractmethod
    def build_weighting(self, runner: Any) -> W:
        """Build the weighting; the objectives are bound."""

    def start(self, runner: Any) -> None:
        """Begin a training that is not resumed; nothing by default."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the hook itself keeps; nothing by default."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, its tensors on the CPU."""

    def before_train(self, runner: Any) -> None:
        """Probe the model and build the weighting."""
        prepare_features(runner)
        self.model = unwrap(runner.model)
        if self._resumed is not None and self.model.bound_objectives is None:
            # A trained model may have other losses in the first batches.
            self.model.bind(self._resumed['objectives'])
        loader = self.probe_loader(runner, MAX_BATCHES)
        with preserve_rng():
            probe_objectives(
                runner.model, runner.optim_wrapper, loader.segment(0)
            )
        self.period = self._interval or len(runner.train_dataloader)
        self.num_periods = -(-runner.max_iters // self.period)
        self.weighting = self.build_weighting(runner)
        if self._resumed is None:
            self.start(runner)
        else:
            self._restore(self.weighting, self._resumed)

    def before_save_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Add weights and states to the checkpoint."""
        if self.weighting is None:  # training has not begun
            return
        checkpoint[STATE_KEY] = dict(
            objectives=list(self.model.objectives.names),
            method=type(self.weighting).__name__,
            weights=list(self.model.weights),
            weighting=self.weighting.state_dict(),
            **self.state_dict(),
        )

    def after_load_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the stored state of a resumed run until training starts."""
        if is_resumed(runner):
            self._resumed = checkpoint.get(STATE_KEY)

    def probe_loader(
        self, runner: Any, num_iters: int | None = None
    ) -> SegmentLoader:
        """Return training batches that take none from the training.

        Args:
            runner: The runner.
            num_iters: Batches of a segment; None for a period.
        """
        config = dict(runner.cfg.train_dataloader)
        config['batch_size'] *= runner.world_size  # it is that of one rank
        return SegmentLoader(
            config, num_iters or self._interval, runner.seed
        ).shared(Share(runner.rank, runner.world_size))

    def publish(
        self,
        runner: Any,
        period: int,
        weights: Sequence[float],
        losses: Tensor | None,
    ) -> None:
        """Write the weights of a period to the file and the backends.

        Args:
            runner: The runner.
            period: Its number, from 1.
            weights: One an objective.
            losses: Mean raw losses that belong to them, NaN where an
                objective had none; None if the method does not measure.
        """
        names = self.model.objectives.names
        known = [] if losses is None else losses.tolist()
        scalars = dict(zip(names, weights, strict=True))
        runner.visualizer.add_scalars(
            {scalar_name('weights', k): w for k, w in scalars.items()},
            step=runner.iter,
        )
        if runner.rank == 0:
            record = dict(
                epoch=period,
                objectives=list(names),
                weights=list(weights),
                losses=[None if math.isnan(loss) else loss for loss in known],
            )
            append_weights(runner.work_dir, record)

    def _restore(self, weighting: W, stored: Mapping[str, Any]) -> None:
        names = list(self.model.objectives.names)
        if stored['objectives'] != names:
            raise ValueError(
                f'The checkpoint has objectives '
                f'{stored["objectives"]}; the config has {names}.'
            )
        method = type(weighting).__name__
        if stored['method'] != method:
            raise ValueError(
                f'The weights of the checkpoint are those of '
                f'{stored["method"]}; the config has {method}.'
            )
        # MMEngine loads checkpoints onto the device of the model.
        state = apply_to(stored, lambda x: isinstance(x, Tensor), Tensor.cpu)
        self.model.set_weights(state['weights'])
        self.load_state_dict(state)
        weighting.load_state_dict(state['weighting'])


def check_iterations(name: str, value: int | None) -> None:
    """Raise a ValueError if iterations are given and are not positive."""
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(
            f'`{name}` is {value!r}; expected a positive integer, or None.'
        )


# ~~ kinds: Which hook is for which kind of weighting.


W_of_kinds = TypeVar('W_of_kinds')


def build_weighting_of(
    kind: type[W_of_kinds], config: dict[str, Any]
) -> W_of_kinds:
    """Build a weighting of the kind that a hook can use.

    Raises:
        ValueError: If it is of another kind.
    """
    weighting = TASK_UTILS.build(config)
    if not isinstance(weighting, kind):
        raise ValueError(
            f'`weighting.type` is {type(weighting).__name__}; expected a '
            f'{kind.__name__}. Other kinds have a hook of their own.'
        )
    return weighting


# ~~ weights_file: The weights that a single run used, period by period.


FILE = 'weights.jsonl'


def append_weights(work_dir: str | Path, record: dict[str, Any]) -> None:
    """Append a period's line, dropping those that a resumed run does again.

    Args:
        work_dir: Of the run.
        record: With `epoch`, the number of the period, from 1.
    """
    path = Path(work_dir) / FILE
    kept: list[str] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                if json.loads(line)['epoch'] < record['epoch']:
                    kept.append(line)
            except ValueError:  # cut off by a kill
                continue
    path.write_text('\n'.join([*kept, json.dumps(record)]) + '\n')
