"""A report tells the truth about a work directory and changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook

from mmada.diagnostics.work_dir import WorkDirReport, inspect_work_dir
from mmada.engine import save_policy
from mmada.engine.state import RunLock, StateStore
from tests.support import toy
from tests.test_engine.test_state.states import IDENTITY
from tests.test_policies.test_policy_file import ENSEMBLE


def fill(
    work_dir: Path,
    steps: int = 2,
    checkpoints: int = 0,
    directory: str = 'exploration',
) -> Path:
    """Makes the directory of an exploration, and of a training after it."""
    exploration = work_dir / directory
    StateStore(exploration / 'initial', {}).commit(0, dict(a=torch.ones(2)))
    store = StateStore(exploration / 'states', IDENTITY)
    for step in range(steps):
        store.commit(step, dict(round=3, results={0: {}, 2: {}}))
    for epoch in range(1, checkpoints + 1):
        path = work_dir / f'epoch_{epoch}.pth'
        torch.save(dict(a=torch.ones(1000)), path)
        os.utime(path, (epoch, epoch))
        (work_dir / 'last_checkpoint').write_text(str(path))
    return work_dir


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def state(work_dir: Path, step: int, directory: str = 'exploration') -> Path:
    return work_dir / directory / f'states/step_{step:08d}/state.pt'


def inspect(work_dir: Path) -> WorkDirReport:
    """Inspects, and makes sure that nothing changes."""
    before = snapshot(work_dir)
    report = inspect_work_dir(work_dir)
    assert snapshot(work_dir) == before
    return report


def snapshot(work_dir: Path) -> dict:
    return {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in [work_dir, *work_dir.rglob('*')]
    }


def test_an_empty_directory_has_nothing_to_resume(tmp_path: Path) -> None:
    report = inspect(tmp_path)
    assert report == WorkDirReport([], [], None, [], None, None, None, [])


def test_an_exploration(tmp_path: Path) -> None:
    report = inspect(fill(tmp_path))
    (search,) = report.searches
    assert search.directory == str(tmp_path / 'exploration')
    assert [s.step for s in search.states] == [1, 0]
    newest = search.states[0]
    assert newest.size == state(tmp_path, 1).stat().st_size
    assert newest.identity == IDENTITY
    assert (newest.round, newest.replicas) == (3, 2)
    (start,) = search.initial
    assert (start.round, start.replicas) == (None, None)
    assert report.resume == f'the exploration at {newest.path}'
    assert report.problems == [] and report.obstacle is None


def test_only_the_start(tmp_path: Path) -> None:
    report = inspect(fill(tmp_path, steps=0))
    assert report.resume is not None
    assert report.resume.startswith('the start of the exploration')


def test_a_damaged_state_is_passed_over(tmp_path: Path) -> None:
    damage(state(fill(tmp_path), 1))
    report = inspect(tmp_path)
    assert (
        report.resume
        == f'the exploration at {report.searches[0].states[1].path}'
    )
    assert len(report.problems) == 1
    assert 'checksum of state.pt differs' in report.problems[0]


@pytest.mark.parametrize('which', ['states', 'initial'])
def test_nothing_good_is_an_obstacle(tmp_path: Path, which: str) -> None:
    fill(tmp_path)
    for path in tmp_path.glob(f'exploration/{which}/*/state.pt'):
        damage(path)
    report = inspect(tmp_path)
    assert report.resume is None
    assert report.obstacle is not None and 'damaged' in report.obstacle


def test_another_format_stops_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, steps=1)
    monkeypatch.setattr('mmada.engine.state.state_files.FORMAT', 3)
    store = StateStore(tmp_path / 'exploration/states', IDENTITY)
    store._verified.add(0)
    store.commit(1, dict(round=0))
    monkeypatch.undo()
    report = inspect(tmp_path)
    assert report.resume is None
    assert report.obstacle is not None and 'format 3' in report.obstacle


def test_a_training_comes_first(tmp_path: Path) -> None:
    damage(state(fill(tmp_path, checkpoints=2), 1))
    report = inspect(tmp_path)
    newest = tmp_path / 'epoch_2.pth'
    assert report.resume == f'the training at {newest}'
    assert [f.path for f in report.checkpoints] == [
        str(newest),
        str(tmp_path / 'epoch_1.pth'),
    ]
    assert report.last_checkpoint == str(newest)
    assert len(report.problems) == 1


def test_a_damaged_checkpoint(tmp_path: Path) -> None:
    newest = fill(tmp_path, checkpoints=2) / 'epoch_2.pth'
    damage(newest)
    report = inspect(tmp_path)
    assert report.resume == f'the training at {tmp_path / "epoch_1.pth"}'
    assert len(report.problems) == 2
    assert report.problems[0].startswith('last_checkpoint')
    assert report.problems[1].startswith(str(newest))
    damage(tmp_path / 'epoch_1.pth')
    report = inspect(tmp_path)
    assert report.resume is None
    assert report.obstacle is not None
    assert 'epoch_1.pth' in report.obstacle


def test_a_policy(tmp_path: Path) -> None:
    path = save_policy(tmp_path / 'policy.safetensors', ENSEMBLE)
    report = inspect(tmp_path)
    assert report.policy is not None and report.policy.content == dict(
        objectives=['cls', 'box', 'seg'], policies=2
    )
    damage(path)
    report = inspect(tmp_path)
    assert report.policy is not None and report.policy.problem
    assert report.problems == [f'{path}: {report.policy.problem}']


def test_lock_and_leftovers(tmp_path: Path) -> None:
    fill(tmp_path)
    names = [f'tmp.{digit * 32}' for digit in 'abc']
    places = ['', 'exploration/states', 'exploration/initial']
    for name, place in zip(names, places, strict=True):
        (tmp_path / place / name).touch()
    with RunLock(tmp_path / 'exploration'):
        report = inspect(tmp_path)
        (search,) = report.searches
        assert search.locked_by is not None
        assert f'process {os.getpid()} on host' in search.locked_by
    assert inspect(tmp_path).searches[0].locked_by is None
    found = [Path(path).name for path in report.leftovers]
    assert found == names
    assert report.problems == []


def test_leftovers_beside_the_status(tmp_path: Path) -> None:
    fill(tmp_path, directory='other')
    (tmp_path / 'exploration').mkdir()
    names = [f'tmp.{digit * 32}' for digit in 'ab']
    for name, place in zip(names, ['exploration', 'other'], strict=True):
        (tmp_path / place / name).touch()
    report = inspect(tmp_path)
    assert [Path(path).name for path in report.leftovers] == names
    assert len(report.searches) == 1


def test_a_search_in_another_directory(tmp_path: Path) -> None:
    """A real one, killed between two rounds; it is resumed from there."""

    class Killed(Exception):
        pass

    class Kill(Hook):
        def after_exploration_round(self, runner: Any, record: Any) -> None:
            raise Killed

    options = toy.exploration(directory='other', num_rounds=2)
    runner = toy.runner(tmp_path, train_cfg=options)
    runner.register_hook(Kill())
    with pytest.raises(Killed):
        runner.train()
    report = inspect(tmp_path)
    (search,) = report.searches
    assert search.directory == str(tmp_path / 'other')
    newest = search.states[0]
    assert (newest.problem, newest.round) == (None, 1)
    assert newest.identity is not None and newest.identity['num_rounds'] == 2
    assert report.resume == f'the exploration at {newest.path}'
    damage(state(tmp_path, newest.step, 'other'))
    report = inspect(tmp_path)
    assert len(report.problems) == 1
    assert report.resume == (
        f'the exploration at {report.searches[0].states[1].path}'
    )
    toy.runner(tmp_path, train_cfg=options, resume=True).train()
    assert inspect(tmp_path).searches[0].states[0].round == 2


def test_two_searches(tmp_path: Path) -> None:
    """A run goes on with the one that began last, and needs both."""
    phases = [
        toy.exploration(directory=name, num_rounds=1) for name in ('b', 'a')
    ]
    training = dict(type='EpochBasedTrainLoop', max_epochs=1)
    runner = toy.runner(
        tmp_path,
        train_cfg=dict(
            type='ExploreThenTrainLoop', exploration=phases, training=training
        ),
        custom_hooks=[dict(type='PolicyWeightingHook')],
        default_hooks=dict(checkpoint=None),
    )
    runner.train()
    report = inspect(tmp_path)
    second, first = report.searches
    assert [Path(s.directory).name for s in (second, first)] == ['a', 'b']
    for search in (first, second):
        assert search.states[0].round == 1
        assert [start.problem for start in search.initial] == [None]
    assert report.resume == f'the exploration at {second.states[0].path}'
    for found in first.states:
        damage(Path(found.path) / 'state.pt')
    report = inspect(tmp_path)
    assert report.resume is None and len(report.problems) == len(first.states)
    assert report.obstacle is not None
    assert str(tmp_path / 'b' / 'states') in report.obstacle
