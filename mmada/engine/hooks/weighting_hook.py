"""What all hooks share that weight the losses of an ordinary training.

The weights that a training used are in `weights.jsonl`, period by period, see
:class:`~mmada.engine.hooks.weights_file.WeightsFile`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import TASK_UTILS
from mmengine.runner import EpochBasedTrainLoop
from mmengine.utils import apply_to
from torch import Tensor

from mmada.engine.distributed import Share
from mmada.engine.hooks.weights_file import WeightsFile
from mmada.engine.mmengine_adapters import is_resumed, train_dataloader_of
from mmada.engine.monitor.monitor import scalar_name
from mmada.engine.optimizers import head_rule_of, show_whole_groups
from mmada.engine.optimizers.head_rule import LearningRateHeadRule
from mmada.engine.probe import (
    MAX_BATCHES,
    OwnerUpdates,
    probe_objectives,
)
from mmada.engine.registration import check_options, registered_class
from mmada.engine.replicas.course import Course
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.engine.training_features import prepare_features
from mmada.models import (
    LossWeightWrapper,
    ObjectiveError,
    ObjectiveWeights,
    is_loss,
    weigh_losses,
)
from mmada.models.meters import MissingLosses, PeriodMeans
from mmada.models.objectives import ObjectiveSpec
from mmada.utils.checks import check_int
from mmada.utils.files import remove_leftovers
from mmada.utils.seeding import preserve_rng
from mmada.weightings.base import BaseWeighting

STATE_KEY = 'mmada_loss_weighting'

W = TypeVar('W', bound=BaseWeighting)


class WeightingHook(Hook, Generic[W]):
    """Binds the objectives, keeps the weighting's state, publishes weights.

    Before the training the model is made to weigh its losses, if it does not
    yet, and looked at, which binds its objectives and gives the head rule
    the owners; then the weighting is built, and either restored from the
    checkpoint or started. When the weights are set is up to the subclass. It
    publishes them once a period: to `work_dir/weights.jsonl` and to the
    visual backends as `training/weights.<objective>`.

    The model is looked at again before an iteration in which other
    parameters are trainable, as another hook may freeze or unfreeze some,
    and after a late objective has appeared. So the hook comes after those of
    normal priority.

    Args:
        weighting: Config of a weighting of the class `weighting_type`.
        interval: Iterations of a period; None for an epoch.
        objectives: Which losses belong together, as in LossWeightWrapper;
            None for those of a model that has some, and 'auto' for another.

    Attributes:
        weighting_type: Interface of the weightings that the hook can use.
        model: The weighted model, outside of model wrappers.
        weights: Its objectives and their weights.
        weighting: Set before the training; None until then.
        period: Iterations of a period.
        num_periods: Periods of the training, the last one may be short.
        position: Iterations before the present one. Where the training counts
            epochs, earlier ones are as long as the present one, also after a
            resume with another batch size or number of ranks.
        means: Mean weights and losses of the period so far.
        missing: Warns of objectives without a loss in a whole period.
    """

    weighting_type: ClassVar[type[Any]]
    in_replicas: ClassVar[str] = 'silent'  # its search sets the weights
    model: LossWeightWrapper
    weights: ObjectiveWeights
    weighting: W | None
    period: int
    num_periods: int
    position: int
    means: PeriodMeans
    missing: MissingLosses

    priority = 'BELOW_NORMAL'

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Check the names of a config's options, which lists what there is."""
        if options and not args:  # none where it is copied
            check_options('custom_hooks', options, cls)
        return super().__new__(cls)

    def __init__(
        self,
        weighting: dict[str, Any],
        interval: int | None = None,
        objectives: ObjectiveSpec | None = None,
    ) -> None:
        if interval is not None:
            check_int('interval', interval, 1)
        if weighting:
            hooks = {
                hook.weighting_type: hook.__name__
                for hook in WeightingHook.__subclasses__()
            }
            kind = registered_class(
                'weighting', weighting, self.weighting_type, hooks
            )
            check_options('weighting', weighting, kind)
        self._config = weighting
        self._interval = interval
        self._objectives = objectives
        self._resumed: Mapping[str, Any] | None = None
        self.weighting = None

    @property
    def own_objectives(self) -> ObjectiveSpec | None:
        """The option `objectives`."""
        return self._objectives

    def build_weighting(self, runner: Any) -> W:
        """Build the weighting; the objectives are bound."""
        weighting = TASK_UTILS.build(self._config)
        weighting.begin(self.weights.objectives.names)
        return weighting

    def start(self, runner: Any) -> None:
        """Begin a training that is not resumed; nothing by default."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the hook itself keeps: the means of the period."""
        return dict(means=self.means.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on within a period; the tensors are on the CPU."""
        self.means.load_state_dict(state['means'])

    def before_run(self, runner: Any) -> None:
        """Let hooks that set learning rates see whole parameter groups."""
        show_whole_groups(runner.hooks)

    def before_train(self, runner: Any) -> None:
        """Probe the model and build the weighting."""
        check_single(runner)
        prepare_features(runner)
        if runner.rank == 0:
            remove_leftovers(Path(runner.work_dir))
        self.model = weigh_losses(runner.model, self._objectives)
        self.weights = self.model.objective_weights
        if self._resumed is not None and self.weights.bound is None:
            # A trained model may have other losses in the first batches.
            self.weights.bind(_as_loss_names(self._resumed['objectives']))
        loader = self.probe_loader(runner, MAX_BATCHES)
        with preserve_rng(), Course(runner, loader).look(runner.iter):
            probe_objectives(
                runner.model, runner.optim_wrapper, loader.segment(0)
            )
            # What a hook has frozen for the look has no owners yet.
            self._owners = OwnerUpdates(runner.model, runner.optim_wrapper)
        self.period = self._interval or _epoch_length(runner)
        self.num_periods = -(-runner.max_iters // self.period)
        self._file = WeightsFile(runner.work_dir)
        self.means = PeriodMeans(len(self.weights.objectives))
        self.missing = MissingLosses(self.weights.objectives.names)
        self.weighting = self.build_weighting(runner)
        if self._resumed is None:
            self.start(runner)
        else:
            self._restore(self.weighting, self._resumed)

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Find owners again where they may have changed."""
        self.position = _position(runner, batch_idx)
        if self._owners.update(
            lambda: self.probe_loader(runner, MAX_BATCHES).segment(0)
        ):
            self.trainable_changed(runner)

    def trainable_changed(self, runner: Any) -> None:
        """Follow a change of the trainable parameters; owners are known."""

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Note late objectives that have appeared."""
        self._owners.note(outputs)

    def after_train(self, runner: Any) -> None:
        """Leave the model as it was found."""
        self.weights.reweigh = None

    def before_save_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Add weights and states to the checkpoint."""
        if self.weighting is None:  # training has not begun
            return
        checkpoint[STATE_KEY] = dict(
            objectives=list(self.weights.objectives.names),
            patterns=self.weights.objectives.patterns,
            method=type(self.weighting).__name__,
            interval=self._interval,
            weights=list(self.weights.values),
            weighting=self.weighting.state_dict(),
            **self.state_dict(),
        )

    def after_load_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the stored state of a resumed run until training starts."""
        if not is_resumed(runner):
            return
        if isinstance(runner.optim_wrapper, OptimWrapper):
            head_rule_of(runner.optim_wrapper)  # before its state is loaded
        self._resumed = checkpoint.get(STATE_KEY)

    def probe_loader(
        self, runner: Any, num_iters: int | None = None
    ) -> SegmentLoader:
        """Return training batches that take none from the training.

        Args:
            runner: The runner.
            num_iters: Batches of a segment; None for a period.
        """
        return SegmentLoader(
            train_dataloader_of(runner),
            num_iters or self._interval,
            runner.seed,
            ranks=runner.world_size,
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
        names = self.weights.objectives.names
        known = [] if losses is None else losses.tolist()
        scalars = dict(zip(names, weights, strict=True))
        runner.visualizer.add_scalars(
            {
                scalar_name('training', 'weights', name): weight
                for name, weight in scalars.items()
            },
            step=runner.iter,
        )
        if runner.rank == 0:
            record = dict(
                epoch=period,
                objectives=list(names),
                weights=list(weights),
                losses=[None if math.isnan(loss) else loss for loss in known],
            )
            self._file.append(record)

    def end_iteration(
        self, runner: Any, losses: Tensor, measured: bool = True
    ) -> None:
        """Add an iteration to the means; publish them where a period ends.

        Args:
            runner: The runner.
            losses: Raw losses, NaN where an objective has none.
            measured: Whether losses are published.
        """
        if self.position % self.period == 0:
            # An epoch may be done again, see LossWeightingHook.
            self.means = PeriodMeans(len(losses))
        self.means.add(self.weights.values, losses)
        if not self.ends_period(runner):
            return
        if measured:
            self.missing.note(self.means.losses)
        self.period_ended(self.means.losses)
        self.publish(
            runner,
            self.position // self.period + 1,
            self.means.weights,
            self.means.losses if measured else None,
        )
        self.means = PeriodMeans(len(losses))

    def ends_period(self, runner: Any) -> bool:
        """Return whether the present iteration is the last of a period."""
        done = self.position + 1
        return done % self.period == 0 or done == runner.max_iters

    def period_ended(self, losses: Tensor) -> None:
        """Take note of the mean losses of a period; nothing by default."""

    def _restore(self, weighting: W, stored: Mapping[str, Any]) -> None:
        names = list(self.weights.objectives.names)
        if stored['objectives'] != names:
            raise ValueError(
                f'`objectives` should be those of the checkpoint, '
                f'{stored["objectives"]}. Found {names}.'
            )
        patterns = self.weights.objectives.patterns
        # Absent in the checkpoints of early versions.
        if stored.get('patterns', patterns) != patterns:
            raise ValueError(
                '`objectives` should have the losses of the checkpoint, '
                f'{stored["patterns"]}. Found {patterns}.'
            )
        method = type(weighting).__name__
        if stored['method'] != method:
            raise ValueError(
                f'`weighting` should be that of the checkpoint, '
                f'{stored["method"]}. Found {method}.'
            )
        interval = stored.get('interval', self._interval)  # of early versions
        if interval != self._interval:
            raise ValueError(
                '`interval` should be that of the checkpoint, '
                f'{interval}, since its periods are counted in it. Found '
                f'{self._interval}. To use the parameters alone, set '
                '`load_from` and not `resume`.'
            )
        # MMEngine loads checkpoints onto the device of the model.
        state = apply_to(stored, lambda x: isinstance(x, Tensor), Tensor.cpu)
        self.weights.set(state['weights'])
        self.load_state_dict(state)
        weighting.load_state_dict(state['weighting'])


def _epoch_length(runner: Any) -> int:
    """Return the iterations of an epoch."""
    loader = runner.train_dataloader
    sampler = getattr(loader.batch_sampler, 'sampler', None)
    if isinstance(sampler, InfiniteSampler):  # as long on each rank
        return -(-len(loader) // runner.world_size)
    return len(loader)


def _position(runner: Any, batch_idx: int) -> int:
    """Return the iterations before the present one, see WeightingHook."""
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        return runner.iter
    return runner.epoch * len(runner.train_dataloader) + batch_idx


def check_single(runner: Any) -> None:
    """Check that no two hooks of a run weigh its losses.

    Raises:
        ValueError: If two do.
    """
    found = [h for h in runner.hooks if isinstance(h, WeightingHook)]
    if len(found) > 1:
        raise ValueError(
            '`custom_hooks` should hold one hook that weighs the losses. '
            f'Found {", ".join(type(hook).__name__ for hook in found)}. '
            'Leave out that of the base config, if there is one.'
        )


def _as_loss_names(objectives: Sequence[str]) -> Sequence[str]:
    """Return the objectives of a checkpoint as 'auto' would name them.

    Raises:
        ObjectiveError: If they were named by patterns.
    """
    if not all(is_loss(name) for name in objectives):
        raise ObjectiveError(
            '`objectives` should be those of the checkpoint, which were named '
            f"by patterns: {list(objectives)}. Found 'auto'."
        )
    return objectives


def warn_of_lag(runner: Any) -> None:
    """Warn of a head rule that lags behind weights of every iteration."""
    rule = head_rule_of(runner.optim_wrapper)
    if isinstance(rule, LearningRateHeadRule):
        runner.logger.warning(
            'A head rule by learning rates divides accumulated gradients, and '
            "with `head_rule.mode='lr'` momentum as well, by the weights of "
            'the last iteration. With weights of every iteration '
            "`mode='grad'` is the exact one."
        )
