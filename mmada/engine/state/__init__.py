"""The state of a run on disk: atomic, checksummed, one writer."""

from mmada.engine.state.atomic import write_synced
from mmada.engine.state.failpoints import failpoint
from mmada.engine.state.manifest import StateError
from mmada.engine.state.run_lock import RunLock, RunLockedError
from mmada.engine.state.store import StateStore

__all__ = [
    'RunLock',
    'RunLockedError',
    'StateError',
    'StateStore',
    'failpoint',
    'write_synced',
]
