"""What is committed after every wave of an exploration, and resumed.

A state carries the identity of its search: what a resumed one must have in
common with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from mmada.controllers import Controller
from mmada.engine.distributed import Channel
from mmada.engine.exploration.replica_runner import ReplicaRunner
from mmada.engine.replicas.live_replica import KeptSnapshot
from mmada.engine.state import StateStore
from mmada.engine.state.state_files import stored_steps
from mmada.utils.files import failpoint, sha256

STATE_LAYOUT = 4  # raise it when a state of before cannot be resumed
SAMPLED_IMAGES = 1000


@dataclass
class ExplorationState:
    """An exploration between two waves.

    Snapshots are on the disk once they are committed, see :meth:`put_parts`.

    Attributes:
        start: Snapshot that each replica starts the present round from.
        losses: Mean raw losses of the model in `start`, (n,); l^1 at first.
        reference: Metric that the present round is compared with, that of
            the model in `start` where it is a winner, at first what
            `Controller.first_reference` names; None if not known.
        controller: State dict of the controller.
        round: Completed rounds.
        actions: Actions of the present round's replicas, (m, action_size);
            None until proposed.
        plan: What each of them does, the name of a Start or a Rest.
        results: By replica of the present round, as far as trained:
            `metrics`, a dict, and `losses`, a list, both empty for one that
            diverged or rests, `value`, its reward metric or None, and
            perhaps `resamples`, the same on resampled images or None.
        best: Snapshot of the best of them, where it is passed on.
        own: By replica, where it may go on from its own state: `snapshot`,
            and `rounds`, how many it has behind it.
        best_action: Action of the last round's winner, (action_size,).
        failures: Rounds in succession that no replica survived.
        history: One JSON-able record a completed round.
        digest: Fingerprint of all completed rounds.
        seconds: Time spent on waves.
        commits: Number of commits so far.
    """

    start: KeptSnapshot
    losses: Tensor
    reference: float | None
    controller: dict[str, Any]
    round: int = 0
    actions: Tensor | None = None
    plan: list[str] = field(default_factory=list)
    results: dict[int, dict[str, Any]] = field(default_factory=dict)
    best: KeptSnapshot | None = None
    own: dict[int, dict[str, Any]] = field(default_factory=dict)
    best_action: Tensor | None = None
    failures: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ''
    seconds: float = 0.0
    commits: int = 0

    @property
    def leader(self) -> int | None:
        """The best replica so far, the first of equals; None if none is."""
        values = {
            k: result['value']
            for k, result in self.results.items()
            if result['value'] is not None
        }
        return max(values, key=lambda k: (values[k], -k), default=None)

    @property
    def best_value(self) -> float | None:
        """Reward metric of the best replica so far."""
        leader = self.leader
        return None if leader is None else self.results[leader]['value']

    def clear_round(self) -> None:
        """Make ready for new proposals."""
        self.actions = None
        self.plan = []
        self.results = {}
        self.best = None

    def map_snapshots(
        self, function: Callable[[KeptSnapshot], KeptSnapshot]
    ) -> None:
        """Exchange all states of replicas."""
        self.put_parts({k: function(v) for k, v in self.parts().items()})

    def parts(self) -> dict[str, KeptSnapshot]:
        """Return all states of replicas, each by a name of its own."""
        best = {} if self.best is None else dict(best=self.best)
        own = {f'own_{k}': entry['snapshot'] for k, entry in self.own.items()}
        return dict(start=self.start, **best, **own)

    def put_parts(self, parts: Mapping[str, KeptSnapshot]) -> None:
        """Take others in place of what :meth:`parts` gave."""
        self.start, self.best = parts['start'], parts.get('best')
        self.own = {
            k: dict(snapshot=parts[f'own_{k}'], rounds=entry['rounds'])
            for k, entry in self.own.items()
        }

    def to_payload(self) -> dict[str, Any]:
        """Return the fields by name, not copied, without the parts."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        own = {k: dict(rounds=e['rounds']) for k, e in self.own.items()}
        return found | dict(start=None, best=None, own=own)

    @classmethod
    def from_payload(
        cls, payload: dict[str, Any], parts: Mapping[str, KeptSnapshot]
    ) -> ExplorationState:
        """Take what :meth:`to_payload` gave, and the parts.

        States of early versions have no parts, but all in their payload.
        """
        state = cls(**payload)
        if parts:
            state.put_parts(parts)
        return state


def identity_of(
    runner: ReplicaRunner,
    controller: Controller,
    config: dict[str, Any],
    run: Mapping[str, Any],
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the identity of a search, JSON values.

    Args:
        runner: Trains and scores the replicas; its target is bound.
        controller: Proposes the actions.
        config: Of the controller.
        run: Config of the run, as a Runner keeps it.
        data: Configs of the data sets and metrics, by name.
    """
    target, loader = runner.target, runner.loader
    return dict(
        state_layout=STATE_LAYOUT,
        **{target.record_keys[0]: list(target.names)},
        num_replicas=controller.num_replicas,
        num_rounds=controller.num_rounds,
        iters_per_round=loader.num_iters,
        batch_size=loader.batch_size,
        controller=_plain(config),
        reward_metric=runner.evaluator.metric.config,
        images=dict(
            training=_images_of(loader.template.dataset),
            reward=_images_of(runner.evaluator.dataloader.dataset),
        ),
        seed=runner.seed,
        **target.identity,
        hooks=runner.course.hook_names,
        order=_plain(loader.order),
        **{name: _plain(run.get(name)) for name in _OPTIMIZATION},
        **{name: _digests(run.get(name)) for name in _MODEL},
        **{name: _digests(part) for name, part in data.items()},
    )


_OPTIMIZATION = ('optim_wrapper', 'param_scheduler', 'auto_scale_lr')
"""Entries of a run's config that say how each replica steps."""

_MODEL = ('model', 'data_preprocessor')
"""Entries of a run's config that say what is trained and scored."""

_WITHOUT_EFFECT = frozenset(
    {
        'backend_args',
        'collect_device',
        'collect_dir',
        'data_root',
        'file_client_args',
        'init_cfg',  # a resumed search takes its parameters from the states
        'lazy_init',
        'max_refetch',
        'nproc',
        'outfile_prefix',
        'pretrained',
        'serialize_data',
        'with_cp',
    }
)
"""Options that say where files are, or how much time or memory is spent."""


def _digests(config: Any) -> Any:
    """Return a digest of each option of a config, or of each in a list.

    The options themselves, such as a whole model, would be long.
    """
    config = _effective(_plain(config))
    if isinstance(config, list):
        config = dict(enumerate(config))
    if not isinstance(config, dict):
        return config
    return {
        str(name): sha256(json.dumps(part, sort_keys=True).encode())[:8]
        for name, part in config.items()
    }


def _effective(config: Any) -> Any:
    """Return what of a plain config decides the result.

    Of a path that is its last part, since the folders may move.
    """
    if isinstance(config, dict):
        return {
            name: _effective(part)
            for name, part in config.items()
            if name not in _WITHOUT_EFFECT
        }
    if isinstance(config, list):
        return [_effective(part) for part in config]
    if isinstance(config, str):
        return config.rstrip('/').rpartition('/')[2]
    return config


def _images_of(dataset: Any) -> str:
    """Return how many images a data set has, and a digest of their ids.

    Evenly spaced ones stand for the others of a large set.
    """
    size = len(dataset)
    if not hasattr(dataset, 'get_data_info'):
        return f'{size} images'
    indices = range(0, size, max(1, size // SAMPLED_IMAGES))
    ids = [_id_of(dataset.get_data_info(i)) for i in indices]
    return f'{size} images, ids {sha256(repr(ids).encode())[:8]}'


def _id_of(image: Any) -> str:
    if not isinstance(image, Mapping):  # a video, as a list of frames
        return ''
    # Without the folders, which another machine may have elsewhere.
    path = str(image.get('img_path', ''))
    return str(image.get('img_id', Path(path).name))


def _plain(config: Any) -> Any:
    """Turn a config into JSON values."""
    if isinstance(config, dict):
        return {str(k): _plain(v) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return [_plain(v) for v in config]
    if isinstance(config, float) and not math.isfinite(config):
        return str(config)  # JSON knows none
    if config is None or isinstance(config, (str, int, float)):
        return config
    # A class in place of its name, or an object in place of its config.
    kind = config if callable(config) else type(config)
    return getattr(kind, '__name__', type(kind).__name__)


class BegunError(RuntimeError):
    """A search was begun in the work directory, and is not resumed."""


def check_begun(root: Path, resume: bool) -> None:
    """Check that a run that finds states in its directory is resumed.

    Args:
        root: Where the states of the search are.
        resume: Whether the run is to go on from what is there.

    Raises:
        BegunError: If it is not.
    """
    if not resume and any(stored_steps(root)):
        raise BegunError(
            f'{root.parent} holds an exploration already. Resume '
            'it (--resume), or choose another `work_dir`.'
        )


def load_newest(
    store: StateStore, channel: Channel, resume: bool
) -> ExplorationState | None:
    """Load the newest state on all ranks.

    Args:
        store: Of the exploration.
        channel: Between the ranks.
        resume: Whether the run is to go on from what is there.

    Returns:
        None if nothing was stored yet.

    Raises:
        BegunError: On rank 0, if there is a state and `resume` is False.
    """
    loaded: list[dict[str, Any]] = []

    def load() -> int | None:
        found = store.latest()
        if found is None:
            return None
        check_begun(store.root, resume)
        loaded.append(found[1])
        return found[0]

    step = channel.from_main(load)
    if step is None:
        return None
    payload = channel.broadcast(loaded.pop() if loaded else {}, 0)
    failpoint('explore.inside_resume')
    return ExplorationState.from_payload(payload, store.parts(step))
