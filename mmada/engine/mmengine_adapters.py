"""The private names of MMEngine and of torch that the engine uses.

What these frameworks do not offer publicly stands here, each in a function
that says what it relies on. (`models`, which is below, uses two more: torch's
`_disable_dynamo`, which imports no compiler, and a hook of state dicts.)
`test_mmengine_adapters.py` shows on a real runner that this holds, so that a
new version that breaks it fails there, by name.
"""

from __future__ import annotations

from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, Runner
from torch import Tensor
from torch.distributed import distributed_c10d as c10d
from torch.utils.data import DataLoader

CAN_SWAP = all(
    callable(getattr(c10d, name, None))
    for name in ('_get_default_group', '_update_default_pg')
)


def is_resumed(runner: Runner) -> bool:
    """Return whether a run was started with `resume`.

    Relies on `Runner` keeping that argument unchanged. Publicly it is known
    in a hook's `after_load_checkpoint` least of all, which is called for
    `load_from` as well.
    """
    return runner._resume


def expect_no_checkpoint(runner: Runner) -> None:
    """Let a resumed run go on without a checkpoint of the training.

    Relies on `Runner.load_or_resume` doing nothing where `_has_loaded` says
    that it is done; it would log that it resumed from None.
    """
    if runner._resume and runner._load_from is None:
        runner._has_loaded = True


def take_over_seed(runner: Runner, seed: int) -> None:
    """Set the seed of a run whose config has none.

    Relies on `Runner` keeping the options of `set_randomness`, as
    `Runner.resume` does to take over the seed of a checkpoint.
    """
    options = runner._randomness_cfg
    if options.get('seed') is None:
        options.update(seed=seed)
        runner.set_randomness(**options)


def train_dataloader_of(runner: Runner) -> dict[str, Any] | DataLoader:
    """Return the training's dataloader as the runner was given it.

    Relies on `Runner` keeping that argument unchanged, a config or not, also
    where it has no config.
    """
    return runner._train_dataloader


def set_train_loop(runner: Runner, loop: BaseLoop) -> None:
    """Make another loop the one whose progress the runner has.

    Relies on `iter`, `epoch`, `max_iters` and `max_epochs` of the runner,
    schedules and checkpoints looking at `Runner.train_loop`, which cannot be
    set publicly.
    """
    runner._train_loop = loop


def set_progress(loop: Any, epoch: int, iteration: int) -> None:
    """Let a training loop begin in the middle.

    Relies on loops that count in `_epoch` and `_iter`, as `Runner.resume`
    does.

    Args:
        loop: A training loop of MMEngine.
        epoch: Epochs that are done.
        iteration: Iterations that are done.
    """
    loop._epoch = epoch
    loop._iter = iteration


def accumulated_iterations(optim_wrapper: OptimWrapper) -> int:
    """Return in how many iterations the optimizer steps once.

    Relies on the wrapper keeping its option `accumulative_counts`, and on
    the step being in the iterations whose number it divides.
    """
    return optim_wrapper._accumulative_counts


def end_scaled_step(optim_wrapper: OptimWrapper) -> None:
    """End a step that raised half-way, after gradients were unscaled.

    A GradScaler would refuse the next one; it has no public way to begin
    anew, and its state dict holds nothing of that. Relies on it keeping that
    in `_per_optimizer_states`; does nothing without a scaler.
    """
    scaler = getattr(optim_wrapper, 'loss_scaler', None)
    getattr(scaler, '_per_optimizer_states', {}).clear()


def initialize_weights(runner: Runner) -> None:
    """Give the model its first weights, as `Runner.train` does.

    Relies on `init_weights` of the model being called, on one rank or with
    the same result on all.
    """
    runner._init_model_weights()


def forward_losses(model: BaseModel, data: Any) -> dict[str, Tensor]:
    """Return the losses of preprocessed data, before they are summed.

    Relies on `train_step` passing what its data preprocessor returns, a
    dict, tuple or list, to the same function.
    """
    return model._run_forward(data, mode='loss')


class OverridableCheckpointHook(CheckpointHook):
    """MMEngine's `CheckpointHook` with public names for what it does.

    Relies on all checkpoints of a training being saved by
    `_save_checkpoint_with_step`, and the best ones by
    `_save_best_checkpoint`.
    """

    def save_step_checkpoint(
        self, runner: Runner, step: int, meta: dict[str, Any]
    ) -> None:
        """Save the checkpoint of an epoch or iteration, and drop old ones."""
        super()._save_checkpoint_with_step(runner, step, meta)

    def save_best_checkpoint(
        self, runner: Runner, metrics: dict[str, Any]
    ) -> None:
        """Save the model if it is the best so far, and drop the old one."""
        super()._save_best_checkpoint(runner, metrics)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict[str, Any]
    ) -> None:
        self.save_step_checkpoint(runner, step, meta)

    def _save_best_checkpoint(
        self, runner: Runner, metrics: dict[str, Any]
    ) -> None:
        self.save_best_checkpoint(runner, metrics)


def swap_default_group(group: Any) -> Any:
    """Make a process group torch's default one.

    Relies on functions that name no group asking for the default one at each
    call. Only where `CAN_SWAP`.

    Args:
        group: A group of which this rank is a member.

    Returns:
        The default group before.
    """
    before = c10d._get_default_group()
    c10d._update_default_pg(group)
    return before


def keep_compiled_buffers() -> None:
    """Let compiled graphs be passed backwards several times.

    Relies on `donated_buffer` of torch's functorch; a torch without it keeps
    them, and refuses an option that it does not know.
    """
    from torch._functorch import config

    if hasattr(config, 'donated_buffer'):
        config.donated_buffer = False
