"""Adapts the loss weights of an ordinary training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, TASK_UTILS
from torch import Tensor

from mmada.engine.distributed import Share
from mmada.engine.live_replica import LiveReplica
from mmada.engine.probe import probe_objectives, unwrap
from mmada.engine.seeding import derive_seed, preserve_rng
from mmada.engine.segment import train_segment
from mmada.engine.segment_loader import SegmentLoader
from mmada.models import ObjectiveMeter
from mmada.weightings import Weighting

STATE_KEY = 'mmada_loss_weighting'


@HOOKS.register_module()
class LossWeightingHook(Hook):
    """Sets the loss weights at the start of each period of a training.

    A period is an epoch, or `interval` iterations. The weighting sees the
    mean raw losses of the period before; those of the first period come from
    a pseudo epoch with all weights 1, after which model, optimizer,
    schedules and generators are put back.

    Weights go to `work_dir/weights.jsonl`, to the visual backends under
    `weights/`, and with the losses into the checkpoints.

    Args:
        weighting: Config of a :class:`Weighting`.
        interval: Iterations of a period; None for an epoch.
        probe_iters: Iterations of the pseudo epoch; None for a period.
    """

    def __init__(
        self,
        weighting: dict[str, Any],
        interval: int | None = None,
        probe_iters: int | None = None,
    ) -> None:
        for name, value in dict(
            interval=interval, probe_iters=probe_iters
        ).items():
            if value is not None and value < 1:
                raise ValueError(
                    f'`{name}` is {value}; expected a positive '
                    'number, or None.'
                )
        self._config = weighting
        self._interval = interval
        self._probe_iters = probe_iters
        self._weighting: Weighting | None = None
        self._losses: Tensor | None = None
        self._resumed: Mapping[str, Any] | None = None

    def before_train(self, runner: Any) -> None:
        """Probes the model and builds the weighting."""
        loader = self._probe_loader(runner)
        with preserve_rng():
            probe_objectives(
                runner.model, runner.optim_wrapper, loader.segment(0)
            )
        self._model = unwrap(runner.model)
        self._period = self._interval or len(runner.train_dataloader)
        self._periods = -(-runner.max_iters // self._period)
        self._meter = ObjectiveMeter(self._model.objectives)
        self._weighting = self.build_weighting(runner)
        if self._resumed is not None:
            self._restore(self._resumed)
        elif self._weighting.needs_losses:
            self._losses = self.initial_losses(runner)

    def build_weighting(self, runner: Any) -> Weighting:
        """Builds the weighting from its config."""
        return TASK_UTILS.build(self._config)

    def initial_losses(self, runner: Any) -> Tensor:
        """Finds l^1 in a pseudo epoch and puts everything back.

        Returns:
            Mean raw losses, shape (n,).

        Raises:
            RuntimeError: If the pseudo epoch diverges.
        """
        live = LiveReplica(
            runner.model, runner.optim_wrapper, runner.param_schedulers or []
        )
        loader = self._probe_loader(runner)
        start, weights = live.capture(), self._model.weights
        self._model.set_weights([1.0] * len(weights))
        runner.logger.info(
            f'Pseudo epoch of {loader.num_iters} iterations '
            'with all weights 1.'
        )
        with preserve_rng():
            losses = train_segment(
                live,
                loader.segment(0),
                ObjectiveMeter(self._model.objectives),
                first_iter=0,
                max_iters=runner.max_iters,
                epoch_length=loader.epoch_length,
                seed=derive_seed(runner.seed, 'segment', 0),
            )
        live.restore(start)
        live.optim_wrapper.initialize_count_status(
            runner.model, runner.iter, runner.max_iters
        )
        self._model.set_weights(weights)
        if losses is None:
            raise RuntimeError(
                'The pseudo epoch diverged with all weights '
                '1. Lower the learning rate.'
            )
        return losses

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Sets the weights where a period begins."""
        if runner.iter % self._period:
            return
        if runner.iter > 0 and self._meter.started:
            self._losses = self._meter.mean()
        self._meter = ObjectiveMeter(self._model.objectives)
        period = runner.iter // self._period + 1
        assert self._weighting is not None
        losses = self._losses
        if losses is None:  # of a weighting that does not look at them
            losses = torch.ones(len(self._model.objectives))
        weights = self._weighting.weights(period, self._periods, losses)
        self._model.set_weights(weights)
        self._publish(runner, period, weights)

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Collects the raw losses."""
        self._meter.update(outputs)

    def before_save_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Adds weights and losses to the checkpoint."""
        if self._weighting is None:  # training has not begun
            return
        checkpoint[STATE_KEY] = dict(
            objectives=list(self._model.objectives.names),
            weights=list(self._model.weights),
            losses=self._losses,
            meter=self._meter.state_dict(),
            weighting=self._weighting.state_dict(),
        )

    def after_load_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Keeps the stored state of a resumed run until training starts."""
        if runner._resume:
            self._resumed = checkpoint.get(STATE_KEY)

    def _restore(self, state: Mapping[str, Any]) -> None:
        assert self._weighting is not None
        names = list(self._model.objectives.names)
        if state['objectives'] != names:
            raise ValueError(
                f'The checkpoint has objectives '
                f'{state["objectives"]}; the config has {names}.'
            )
        self._model.set_weights(state['weights'])
        losses = state['losses']
        self._losses = None if losses is None else losses.cpu()
        self._meter.load_state_dict(state['meter'])
        self._weighting.load_state_dict(state['weighting'])

    def _probe_loader(self, runner: Any) -> SegmentLoader:
        config = dict(runner.cfg.train_dataloader)
        config['batch_size'] *= runner.world_size  # it is that of one rank
        return SegmentLoader(
            config, self._probe_iters or self._interval, runner.seed
        ).shared(Share(runner.rank, runner.world_size))

    def _publish(self, runner: Any, period: int, weights: Tensor) -> None:
        names = self._model.objectives.names
        runner.visualizer.add_scalars(
            {
                f'weights/{name}': float(w)
                for name, w in zip(names, weights, strict=True)
            },
            step=runner.iter,
        )
        record = dict(
            epoch=period,
            objectives=list(names),
            weights=torch.as_tensor(weights).tolist(),
            losses=[] if self._losses is None else self._losses.tolist(),
        )
        if runner.rank == 0:
            _append_record(Path(runner.work_dir) / 'weights.jsonl', record)


def _append_record(path: Path, record: dict[str, Any]) -> None:
    """Appends a line, dropping those that a resumed run does again."""
    kept: list[str] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                if json.loads(line)['epoch'] < record['epoch']:
                    kept.append(line)
            except ValueError:  # cut off by a kill
                continue
    path.write_text('\n'.join([*kept, json.dumps(record)]) + '\n')
