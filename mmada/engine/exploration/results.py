"""Files that a finished exploration leaves in the work directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmada.controllers import Controller
from mmada.engine.checkpoints import DURABLE
from mmada.engine.distributed import Channel
from mmada.engine.exploration.targets import Target
from mmada.utils.files import failpoint, remove_leftovers
from mmada.utils.run_files import EXPLORED_FILE


def write_results(
    channel: Channel,
    runner: Any,
    target: Target,
    controller: Controller,
    provenance: dict[str, Any],
    with_model: bool,
) -> None:
    """Write the model, then what was found: with it both are there.

    Rank 0 writes, and nothing for a finished run that was resumed.

    Args:
        channel: Between the ranks.
        runner: Its model is the explored one.
        target: Writes what was found.
        controller: Has found it.
        provenance: Where that comes from.
        with_model: Whether there is an explored model.
    """
    failpoint('explore.before_policy')
    channel.from_main(
        lambda: _write(runner, target, controller, provenance, with_model)
    )
    failpoint('explore.after_policy')


def _write(
    runner: Any,
    target: Target,
    controller: Controller,
    provenance: dict[str, Any],
    with_model: bool,
) -> None:
    work_dir = Path(runner.work_dir)
    found = work_dir, controller, provenance
    remove_leftovers(work_dir)
    whole = not with_model or (work_dir / EXPLORED_FILE).exists()
    if whole and target.is_saved(*found):
        return
    if with_model:
        runner.save_checkpoint(
            str(work_dir),
            EXPLORED_FILE,
            save_optimizer=False,
            save_param_scheduler=False,
            backend_args=dict(backend=DURABLE),
        )
    target.save(*found)
    print_log(
        f'What the search found is in {work_dir / target.file}.',
        logger='current',
    )
