"""States of a run on disk: kill it anywhere, the newest good one is there.

A state is a directory ``step_%08d`` with the file ``state.pt``, one file for
each large part, and a ``MANIFEST.json`` that holds their checksums. They are
written under a temporary name, the manifest last, and become visible by one
rename. No two states share a file, so that damage is of one alone.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmada.engine.state.parts import Parts, StoredPart, part_size
from mmada.engine.state.payload import (
    DamagedStateError,
    StateError,
    check_payload,
)
from mmada.engine.state.state_files import (
    identity_difference,
    load_state,
    state_path,
    stored_parts,
    stored_steps,
    verify_state,
    write_state,
    written_by,
)
from mmada.utils.files import (
    discard,
    failpoint,
    remove_leftovers,
    write_failure,
)


class StateStore:
    """Numbered states of one run in a directory.

    One process writes (see `RunLock`). Steps only grow: to go on from a
    state, call `latest` first.

    Args:
        root: Directory of the states; made by the first `commit`.
        identity: What the run is (numbers of replicas and rounds, objective
            names, seed, ...), JSON values only. A state of another identity
            cannot be resumed.
        keep: Number of newest states to keep, at least 2, so that one
            damaged file does not end the run. Defaults to 2.

    Raises:
        ValueError: If ``keep`` is below 2 or ``identity`` is not JSON.
    """

    def __init__(
        self, root: Path, identity: dict[str, Any], keep: int = 2
    ) -> None:
        if keep < 2:
            raise ValueError(f'`keep` should be at least 2. Found {keep}.')
        try:
            text = json.dumps(identity, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                '`identity` should hold JSON values only. '
                f'Found {identity!r}: {error}.'
            ) from error
        self.root = Path(root)
        self.identity: dict[str, Any] = json.loads(text)
        self.keep = keep
        self._verified: set[int] = set()

    def commit(
        self, step: int, payload: dict[str, Any], parts: Parts | None = None
    ) -> Path:
        """Store a state; when this returns it survives a power cut.

        Args:
            step: Number of the state, above every good one stored.
            payload: See `check_payload`.
            parts: By name what gets a file of its own, see `parts`: contents
                as of a payload, or parts of the newest state, to be copied.

        Returns:
            The directory of the state.

        Raises:
            TypeError: If the payload holds what cannot be stored.
            ValueError: If ``step`` is negative.
            StateError: If the state cannot be written or does not read
                back, if a newer or equal one exists, if a part to be copied
                has changed, or as from `latest`. States that were there
                before are untouched.
        """
        if step < 0:
            raise ValueError(f'`step` should not be negative. Found {step}.')
        contents = [payload, *(parts or {}).values()]
        for content in contents:
            if not isinstance(content, StoredPart):
                check_payload(content)
        self._check_newer(step)
        try:
            write_state(self.root, step, payload, self.identity, parts)
            verify_state(self.root, step)
        except (OSError, DamagedStateError) as error:
            path = state_path(self.root, step)
            size = sum(map(part_size, contents))
            raise StateError(write_failure(path, size, error)) from error
        self._verified.add(step)
        failpoint('state.before_delete')
        self._remove_old(step)
        return state_path(self.root, step)

    def latest(self) -> tuple[int, dict[str, Any]] | None:
        """Load the newest state that verifies.

        Also removes what a killed `commit` left. Damaged states are named
        in a warning and passed over.

        Returns:
            Step and payload, without its parts, all tensors on the CPU;
            None if nothing was ever stored.

        Raises:
            StateError: If there are states but all are damaged, or if the
                newest good one has another identity or format.
        """
        remove_leftovers(self.root)
        step = self._find()
        failpoint('state.after_read')
        return None if step is None else (step, load_state(self.root, step))

    def parts(self, step: int) -> dict[str, StoredPart]:
        """Return the large parts of a good state, by name.

        They can be loaded until two further states are stored.
        """
        return stored_parts(self.root, step)

    def _find(self) -> int | None:
        """Return the step of the newest good state."""
        damaged = []
        for step in stored_steps(self.root):
            try:
                manifest = verify_state(self.root, step)
            except DamagedStateError as error:
                damaged.append(str(error))
                _warn(f'Damaged state passed over. {error}')
                continue
            self._check_identity(step, manifest)
            self._verified.add(step)
            return step
        if damaged:
            raise StateError(
                f'all states in {self.root} are damaged; to start afresh, '
                'remove this directory:\n  ' + '\n  '.join(damaged)
            )
        return None

    def _check_identity(self, step: int, manifest: dict[str, Any]) -> None:
        lines = identity_difference(manifest['schema'], self.identity)
        if lines:
            raise StateError(
                f'{state_path(self.root, step)} was left by a different run; '
                'resume with its settings or use another work directory. It '
                f'was {written_by(manifest)}; what differs:\n  '
                + '\n  '.join(lines)
            )

    def _check_newer(self, step: int) -> None:
        if not self._verified:
            self._find()
        newest = max(self._verified, default=-1)
        if newest >= step:
            raise StateError(
                f'cannot store step {step}: {state_path(self.root, newest)} '
                'exists; resume from it or use another work directory'
            )

    def _remove_old(self, step: int) -> None:
        """Keep the newest good states up to ``step``, which is good."""
        kept = 1
        for old in (s for s in stored_steps(self.root) if s < step):
            if kept < self.keep and self._is_good(old):
                kept += 1
                continue
            try:
                discard(state_path(self.root, old), 'state.inside_delete')
            except OSError as error:
                _warn(f'Cannot remove an old state: {error}')

    def _is_good(self, step: int) -> bool:
        """Return whether a state verifies, or did so in this process."""
        if step not in self._verified:
            try:
                verify_state(self.root, step)
            except StateError:
                return False
            self._verified.add(step)
        return True


def _warn(message: str) -> None:
    print_log(message, logger='current', level=logging.WARNING)
