"""Snapshots of a search are in memory only while they are made or read."""

import gc
import weakref

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmada.engine.exploration.exploration import Exploration
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.state import StateError, StateStore, StoredPart
from mmada.engine.state.state_files import state_path, stored_steps
from tests.support import toy
from tests.test_diagnostics.test_work_dir import damage
from tests.test_engine import lives

# MMEngine keeps loggers by name and second; these runs may share them.
pytestmark = pytest.mark.filterwarnings('ignore:.*has been created')


def explore(work_dir, resume=False, **options):
    toy.runner(
        work_dir, train_cfg=toy.exploration(), resume=resume, **options
    ).train()


def test_no_snapshot_outlives_a_commit_in_memory(tmp_path, monkeypatch):
    """Captured are the start, and in each round leaders as they come."""
    captured, alive = [], []
    capture, commit = LiveReplica.capture, Exploration._commit

    def capturing(self, *device):
        snapshot = capture(self, *device)
        first = next(iter(snapshot['parameters'].values()))
        captured.append(weakref.ref(first))
        return snapshot

    def committing(self, state):
        commit(self, state)
        if state.commits == 1:  # its caller has the start still
            return
        gc.collect()
        alive.append([found() for found in captured])
        parts = state.parts()
        kinds = {type(part) for part in parts.values()}
        assert kinds == {StoredPart}
        newest = state_path(self.store.root, state.commits)
        assert {part.path.parent for part in parts.values()} == {newest}

    monkeypatch.setattr(LiveReplica, 'capture', capturing)
    monkeypatch.setattr(Exploration, '_commit', committing)
    explore(tmp_path)
    history = (tmp_path / 'exploration/history.jsonl').read_text()
    assert len(alive) >= 5 * len(history.splitlines())
    assert len(captured) > len(history.splitlines())
    assert {value for row in alive for value in row} == {None}


def test_an_old_optimizer_state_is_gone_before_a_snapshot_is_read(
    tmp_path, monkeypatch
):
    live = lives.build()
    lives.train(live, [2.0, 0.5])
    store = StateStore(tmp_path, {})
    store.commit(1, {}, dict(start=live.capture()))
    (stored,) = store.parts(1).values()
    lives.train(live, [1.0, 1.0])
    momentum = [
        weakref.ref(state['momentum_buffer'])
        for state in live.optim_wrapper.optimizer.state.values()
    ]
    assert momentum and None not in {found() for found in momentum}
    seen, load = [], StoredPart.load

    def loading(self):
        seen.append({found() for found in momentum})
        return load(self)

    monkeypatch.setattr(StoredPart, 'load', loading)
    live.restore(stored)
    assert seen == [{None}]
    lives.assert_equal(live.capture(), stored.load())


@HOOKS.register_module()
class StartDamagingHook(Hook):
    """Flips a bit of what the second round starts from."""

    def after_exploration_round(self, runner, record):
        if record['round'] == 1:
            root = runner.train_loop.directory / 'states'
            damage(state_path(root, stored_steps(root)[0]) / 'start.pt')


def test_a_start_that_the_disk_has_changed_ends_the_run(tmp_path):
    hooks = [dict(type='StartDamagingHook')]
    with pytest.raises(StateError, match=r'start\.pt has changed since it'):
        explore(tmp_path / 'damaged', custom_hooks=hooks)
    explore(tmp_path / 'damaged', resume=True)
    explore(tmp_path / 'whole')
    first, second = (
        (tmp_path / name / 'policy.safetensors').read_bytes()
        for name in ('damaged', 'whole')
    )
    assert first == second


def test_copies_in_main_memory_are_equal():
    live = lives.build()
    lives.train(live, [2.0, 0.5])
    lives.assert_equal(live.capture('cpu'), live.capture())
    (meta, *_) = live.capture('meta')['parameters'].values()
    assert meta.device == torch.device('meta')
