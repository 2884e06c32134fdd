"""The state of a run on disk: atomic, checksummed, one writer."""

from mmada.engine.state.parts import StoredPart
from mmada.engine.state.payload import StateError
from mmada.engine.state.run_lock import RunLock, RunLockedError
from mmada.engine.state.state_files import stored_identity
from mmada.engine.state.store import StateStore

__all__ = [
    'RunLock',
    'RunLockedError',
    'StateError',
    'StateStore',
    'StoredPart',
    'stored_identity',
]
