"""Adapts the loss weights of an ordinary training, period by period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import HOOKS
from torch import Tensor

from mmada.engine.hooks.weighting_hook import WeightingHook
from mmada.engine.mmengine_adapters import accumulated_iterations
from mmada.engine.registration import warnings_in_log
from mmada.engine.replicas.course import Course
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.segment import NotFiniteError, train_segment
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.models import ObjectiveMeter, iteration_losses
from mmada.models.meters import PeriodMeans
from mmada.models.objectives import ObjectiveSpec
from mmada.utils.checks import check_int
from mmada.utils.measurements import latest_losses
from mmada.utils.seeding import derive_seed, preserve_rng
from mmada.weightings import Weighting


@HOOKS.register_module()
class LossWeightingHook(WeightingHook[Weighting]):
    """Sets the loss weights at the start of each period of a training.

    A period is an epoch, or `interval` iterations; where gradients are
    accumulated it begins with the next step's first. The weighting sees the
    mean raw losses of the period before, or the last that are known of an
    objective that was not measured in it; those of the first period come from
    a pseudo epoch with all weights 1, after which model, optimizer,
    schedules and generators are put back.

    Weights go to `work_dir/weights.jsonl`, to the visual backends, and
    with the losses into the checkpoints.

    Args:
        weighting: Config of a :class:`Weighting`.
        interval: Iterations of a period; None for an epoch.
        probe_iters: Iterations of the pseudo epoch; None for a period.
        objectives: As in :class:`WeightingHook`.
    """

    weighting_type = Weighting

    def __init__(
        self,
        weighting: dict[str, Any],
        interval: int | None = None,
        probe_iters: int | None = None,
        objectives: ObjectiveSpec | None = None,
    ) -> None:
        super().__init__(weighting, interval, objectives)
        if probe_iters is not None:
            check_int('probe_iters', probe_iters, 1)
        self._probe_iters = probe_iters
        self._losses: Tensor | None = None
        self._weighted: int | None = None  # period of the weights in force

    def build_weighting(self, runner: Any) -> Weighting:
        """Build the weighting; warn if it will not weigh anything."""
        weighting = super().build_weighting(runner)
        if self.num_periods < weighting.first_weights:
            runner.logger.warning(
                f'All weights stay 1: {type(weighting).__name__} gives others '
                f'from period {weighting.first_weights} on, and the training '
                f'has {self.num_periods} of {self.period} iterations. Make '
                '`interval` smaller, or train longer.'
            )
        return weighting

    def start(self, runner: Any) -> None:
        """Measure l^1 for a weighting that needs it."""
        assert self.weighting is not None
        if self.weighting.needs_losses:
            self._losses = self.initial_losses(runner)

    def initial_losses(self, runner: Any) -> Tensor:
        """Find l^1 in a pseudo epoch and put everything back.

        Returns:
            Mean raw losses, shape (n,).

        Raises:
            RuntimeError: If a loss or a parameter is not finite in it.
        """
        loader = self.probe_loader(runner, self._probe_iters)
        course = Course(runner, loader)
        live = LiveReplica(
            runner.model,
            runner.optim_wrapper,
            runner.param_schedulers or [],
            course.attributes,
        )
        start, weights = live.capture(), self.weights.values
        self.weights.set([1.0] * len(weights))
        runner.logger.info(
            f'Pseudo epoch of {loader.num_iters} iterations '
            'with all weights 1.'
        )
        losses = self._train_pseudo_epoch(runner, live, loader, course)
        live.restore(start)
        live.optim_wrapper.initialize_count_status(
            runner.model, runner.iter, runner.max_iters
        )
        self.weights.set(weights)
        self.missing.note(losses)
        return losses

    def _train_pseudo_epoch(
        self,
        runner: Any,
        live: LiveReplica,
        loader: SegmentLoader,
        course: Course,
    ) -> Tensor:
        try:
            with preserve_rng(), course.at(0):
                return train_segment(
                    live,
                    (piece.loader for piece in loader.pieces(0)),
                    ObjectiveMeter(self.weights.objectives),
                    first_iter=0,
                    max_iters=runner.max_iters,
                    epoch_length=loader.epoch_length,
                    seed=derive_seed(runner.seed, 'segment', 0),
                    events=course,
                )
        except NotFiniteError as error:
            raise RuntimeError(
                f'The pseudo epoch, with all weights 1, {error}'
            ) from None

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Set the weights where a period begins."""
        super().before_train_iter(runner, batch_idx, data_batch)
        if not self._begins(runner):
            return
        losses = self._latest()
        self.means = PeriodMeans(len(losses))
        period = self.position // self.period + 1
        if period == self._weighted:
            # After a checkpoint from the middle of an epoch MMEngine begins
            # the epoch anew. Its weights do not follow from its own losses.
            return
        self._losses = None if losses.isnan().all() else losses
        self._weighted = period
        assert self.weighting is not None
        with warnings_in_log():
            weights = self.weighting.weights(period, self.num_periods, losses)
        self.weights.set(weights)
        self.publish(runner, period, weights.tolist(), self._losses)

    def _latest(self) -> Tensor:
        """Return the last known losses, NaN where there are none."""
        return latest_losses(self.means.losses, self._losses)

    def _begins(self, runner: Any) -> bool:
        """Return whether an iteration is the first with a period's weights.

        Gradients that are accumulated for one step have the same weights, as
        the step's learning rates can follow those of one alone.
        """
        counts = accumulated_iterations(runner.optim_wrapper)
        start = runner.iter - self.position % self.period
        return runner.iter == -(-start // counts) * counts

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Collect the raw losses, which the weighting may refuse."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        objectives = self.weights.objectives
        losses = iteration_losses(objectives.reduce(outputs), len(objectives))
        assert self.weighting is not None
        self.weighting.check_losses(losses)
        self.means.add(self.weights.values, losses)
        if self.ends_period(runner):
            self.missing.note(self.means.losses)

    def state_dict(self) -> dict[str, Any]:
        """Return the losses of the last period, and what this one has."""
        return dict(
            losses=self._losses, period=self._weighted, **super().state_dict()
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on within a period."""
        super().load_state_dict(state)
        self._losses = state['losses']
        self._weighted = state.get('period')  # absent in early versions
