"""From where a run that was stopped goes on."""

from __future__ import annotations

from typing import Any

from mmada.engine.distributed import Channel
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.state import StateStore, failpoint


def load_newest(
    store: StateStore, channel: Channel, resume: bool
) -> ExplorationState | None:
    """Loads the newest state on all ranks.

    Args:
        store: Of the exploration.
        channel: Between the ranks.
        resume: Whether the run was told to go on from what is there.

    Returns:
        None if nothing was stored yet.

    Raises:
        RuntimeError: On rank 0, if there is a state and `resume` is False.
    """
    loaded: list[dict[str, Any]] = []

    def load() -> bool:
        found = store.latest()
        if found is None:
            return False
        if not resume:
            raise RuntimeError(
                f'{store.root.parent} holds an exploration already. Resume '
                'it (--resume), or choose another `work_dir`.'
            )
        loaded.append(found[1])
        return True

    if not channel.from_main(load):
        return None
    payload = channel.broadcast(loaded.pop() if loaded else {}, 0)
    failpoint('explore.inside_resume')
    return ExplorationState.from_payload(payload)
