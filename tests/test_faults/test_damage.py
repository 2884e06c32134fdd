"""Damaged, foreign and hostile files, met by a whole run."""

from __future__ import annotations

import json
import multiprocessing
import runpy
import sys
import time
from pathlib import Path

import pytest
import torch

from mmada.engine.state import (
    RunLock,
    RunLockedError,
    StateError,
    StateStore,
)
from tests.support import toy
from tests.test_diagnostics.test_work_dir import damage
from tests.test_engine.test_loops import (
    test_explore_then_train_loop as algorithm,
)
from tests.test_faults.damage import CLOTHING, Payload
from tests.test_policies.test_policy_file import LOSSES, changed

# MMEngine keeps loggers by name and second; these runs may share them.
pytestmark = pytest.mark.filterwarnings('ignore:.*has been created')

TRAIN = Path(__file__).resolve().parents[2] / 'tools/train.py'


def explore(work_dir, resume=False, **options):
    config = dict(toy.exploration(num_rounds=2), **options)
    toy.runner(work_dir, train_cfg=config, resume=resume).train()


def policy(work_dir):
    return (work_dir / 'policy.safetensors').read_bytes()


def state(work_dir, step, name='state.pt'):
    return work_dir / f'exploration/states/step_{step:08d}' / name


def truncate(path, fraction):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])


@pytest.fixture(scope='module')
def explored(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('explored')
    explore(work_dir)
    return policy(work_dir)


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A run that stopped in its second round, with the states 6 and 7."""
    real = StateStore.commit

    def commit(self, step, *content):
        real(self, step, *content)
        if step == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StateStore, 'commit', commit)
        with pytest.raises(KeyboardInterrupt):
            explore(tmp_path)
    return tmp_path


HARM = {
    'bit': damage,
    '90 %': lambda path: truncate(path, 0.9),
    '0 %': lambda path: truncate(path, 0),
    '30 %': lambda path: truncate(path, 0.3),
    '99.9 %': lambda path: truncate(path, 0.999),
}
some_of_harm = pytest.mark.parametrize(
    'harm',
    [
        pytest.param(harm, id=name, marks=pytest.mark.faults if i > 1 else ())
        for i, (name, harm) in enumerate(HARM.items())
    ],
)


@some_of_harm
@pytest.mark.parametrize('name', ['state.pt', 'start.pt', 'MANIFEST.json'])
def test_row_5_resume_over_a_damaged_state_ends_the_same(
    interrupted, explored, name, harm
):
    harm(state(interrupted, 7, name))
    explore(interrupted, resume=True)
    assert policy(interrupted) == explored


def test_row_5_no_good_state_is_an_error_and_no_new_start(interrupted):
    for step in (6, 7):
        truncate(state(interrupted, step), 0.9)
    with pytest.raises(StateError, match='all states in .* are damaged'):
        explore(interrupted, resume=True)
    assert not (interrupted / 'policy.safetensors').exists()


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Calls tools/train.py on 3 epochs, with MMEngine's own hook."""
    content = dict(
        custom_imports=dict(imports=['mmada', 'tests.support.toy']),
        model=toy.MODEL,
        optim_wrapper=toy.OPTIM_WRAPPER,
        train_dataloader=toy.dataloader(),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
        custom_hooks=[dict(type='EpochSeedHook')],
        randomness=dict(seed=7),
    )
    config = tmp_path / 'toy_config.py'
    config.write_text(''.join(f'{k} = {v!r}\n' for k, v in content.items()))

    def run(work_dir, *arguments):
        options = ['--work-dir', str(work_dir), *arguments]
        monkeypatch.setattr(sys, 'argv', [str(TRAIN), str(config), *options])
        monkeypatch.syspath_prepend(str(TRAIN.parent))
        runpy.run_path(str(TRAIN), run_name='__main__')

    return run


def final(work_dir):
    path = work_dir / 'epoch_3.pth'
    return torch.load(path, weights_only=False)['state_dict']


@some_of_harm
def test_row_5_train_resumes_from_what_can_be_read(
    tmp_path, train, harm, capfd
):
    work_dir = tmp_path / 'work'
    train(work_dir)
    expected = final(work_dir)
    harm(work_dir / 'epoch_3.pth')
    train(work_dir, '--resume')
    toy.assert_same_state(final(work_dir), expected)
    output = ''.join(capfd.readouterr())
    assert f'Going on from {work_dir / "epoch_2.pth"}' in output


@pytest.mark.parametrize('newest', ['epoch_3.pth', 'epoch_2.pth'])
def test_row_5_train_resumes_with_an_empty_last_checkpoint(
    tmp_path, train, newest, capfd
):
    work_dir = tmp_path / 'work'
    train(work_dir)
    expected = final(work_dir)
    (work_dir / 'last_checkpoint').write_text('')
    if newest != 'epoch_3.pth':
        (work_dir / 'epoch_3.pth').unlink()
    train(work_dir, '--resume')
    toy.assert_same_state(final(work_dir), expected)
    output = ''.join(capfd.readouterr())
    assert f'Going on from {work_dir / newest}' in output


def test_row_5_train_starts_no_training_afresh_silently(
    tmp_path, train, capsys
):
    work_dir = tmp_path / 'work'
    train(work_dir)
    for path in work_dir.glob('epoch_*.pth'):
        truncate(path, 0.5)
    with pytest.raises(SystemExit, match='2'):
        train(work_dir, '--resume')
    said = capsys.readouterr().err
    assert 'train: error: ' in said
    assert 'to start the training afresh' in said


def test_row_6_state_of_another_run(interrupted):
    with pytest.raises(StateError) as caught:
        explore(
            interrupted,
            resume=True,
            num_rounds=5,
            controller=dict(type='AdaSegment', num_replicas=6),
        )
    lines = str(caught.value).splitlines()
    assert '  num_rounds: stored 2, this run 5' in lines
    assert '  num_replicas: stored 4, this run 6' in lines
    assert not any('seed' in line for line in lines[1:])


def use(work_dir, path):
    """Starts a training with a policy; returns the iterations it did."""
    runner = toy.runner(
        work_dir,
        custom_hooks=[dict(type='PolicyWeightingHook', policy=str(path))],
    )
    with pytest.raises(ValueError) as caught:
        runner.train()
    assert str(path) in str(caught.value)
    return runner.iter


@pytest.mark.parametrize('name', CLOTHING)
def test_row_7_training_with_a_pickle_as_policy(tmp_path, name):
    sentinel, path = tmp_path / 'ran', tmp_path / name
    path.write_bytes(CLOTHING[name](Payload(sentinel)))
    assert use(tmp_path / 'work', path) == 0
    assert not sentinel.exists()


@pytest.mark.parametrize('name', CLOTHING)
def test_row_7_resume_with_a_pickle_as_state(interrupted, name):
    sentinel = interrupted / 'ran'
    data = CLOTHING[name](Payload(sentinel))
    state(interrupted, 7).write_bytes(data)
    state(interrupted, 6).write_bytes(data)
    with pytest.raises(StateError):
        explore(interrupted, resume=True)
    assert not sentinel.exists()


@pytest.mark.parametrize(
    'content',
    [
        dict(tensors=dict(best_weights=LOSSES * torch.nan)),
        dict(tensors=dict(initial_losses=-LOSSES)),
        dict(tensors=dict(best_weights=LOSSES[:2])),
        dict(tensors={'policy.1.bias': torch.ones(10**5).double()}),
        dict(header=dict(num_rounds=10**6)),
        {},  # a good policy, of three other objectives
    ],
    ids=['NaN', 'negative', 'shape', 'size', 'rounds', 'objectives'],
)
def test_row_8_training_with_values_that_no_search_left(tmp_path, content):
    path = tmp_path / 'policy.safetensors'
    path.write_bytes(changed(**content))
    assert use(tmp_path / 'work', path) == 0


def hold(directory):
    RunLock(directory).acquire()
    (directory / 'held').touch()
    time.sleep(60)


def test_row_25_two_runs_in_one_directory_and_a_stale_lock(
    interrupted, explored
):
    directory = interrupted / 'exploration'
    fork = multiprocessing.get_context('fork')
    other = fork.Process(target=hold, args=(directory,))
    other.start()
    limit = time.monotonic() + 30
    while not (directory / 'held').exists():
        assert time.monotonic() < limit
        time.sleep(0.01)
    before = sorted(directory.rglob('*'))
    with pytest.raises(RunLockedError, match=f'in use by process {other.pid}'):
        explore(interrupted, resume=True)
    assert sorted(directory.rglob('*')) == before
    other.kill()
    other.join()
    explore(interrupted, resume=True)
    assert policy(interrupted) == explored


def test_row_28_two_runners_in_one_second(tmp_path, monkeypatch):
    """They share loggers and message hubs, but no results."""
    algorithm.build(tmp_path / 'alone').train()
    now = time.time()
    monkeypatch.setattr('mmengine.runner.runner.time.time', lambda: now)
    runners = [
        algorithm.build(tmp_path / name, experiment_name='same')
        for name in ('first', 'second')
    ]
    for runner in runners:
        runner.train()
    for runner in runners:
        work_dir = Path(runner.work_dir)
        assert algorithm.final(work_dir)[1] == weights(tmp_path / 'alone')
        toy.assert_same_state(final(work_dir), final(tmp_path / 'alone'))
        history = work_dir / 'exploration/history.jsonl'
        rounds = [json.loads(x)['round'] for x in history.open()]
        assert rounds == [1, 2]


def weights(work_dir):
    return (work_dir / 'weights.jsonl').read_text()
