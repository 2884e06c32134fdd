"""Row 4: the disk is full, fails or is read-only.

The run stops with an error that names the file and the bytes; what was
stored before is intact, and once there is space a resume ends as if nothing
had happened.
"""

import errno
import os
from pathlib import Path

import pytest
import torch

from mmada.diagnostics.work_dir import inspect_work_dir
from mmada.engine import find_latest_checkpoint
from mmada.engine.state import StateError
from tests.support import toy
from tests.test_faults.disks import small_disk


def explore(work_dir, resume=False):
    """An exploration of 2 rounds; its states have some 30 kB."""
    toy.runner(
        work_dir, train_cfg=toy.exploration(num_rounds=2), resume=resume
    ).train()


def train(work_dir, out_dir, resume=False):
    """A training of 3 epochs; its checkpoints have some 20 kB."""
    found = find_latest_checkpoint(work_dir) if resume else None
    toy.runner(
        work_dir,
        default_hooks=dict(
            checkpoint=dict(
                type='DurableCheckpointHook',
                interval=1,
                max_keep_ckpts=1,
                out_dir=str(out_dir),
            )
        ),
        custom_hooks=[dict(type='EpochSeedHook')],
        load_from=found,
        resume=resume,
    ).train()


def policy(work_dir):
    return (work_dir / 'policy.safetensors').read_bytes()


def final_weights(work_dir):
    path = (work_dir / 'last_checkpoint').read_text()
    return torch.load(path, weights_only=False)['state_dict']


def assert_states_are_intact(work_dir):
    """A resume is possible, and no half of a file is left."""
    report = inspect_work_dir(work_dir)
    assert report.problems == [] and report.leftovers == []
    assert report.resume is not None


@pytest.fixture(scope='module')
def explored(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('explored')
    explore(work_dir)
    return policy(work_dir)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('trained')
    train(work_dir, work_dir / 'out')
    return final_weights(work_dir)


def test_row_4_full_disk_in_an_exploration(tmp_path, explored):
    with small_disk(tmp_path / 'exploration', '90k') as remount:
        with pytest.raises(StateError) as caught:
            explore(tmp_path)
        message = str(caught.value)
        assert str(tmp_path / 'exploration/states/step_') in message
        assert 'No space left on device' in message
        assert 'bytes needed' in message
        assert_states_are_intact(tmp_path)
        remount('size=2m')
        explore(tmp_path, resume=True)
    assert policy(tmp_path) == explored


def test_row_4_full_disk_in_a_training(tmp_path, trained):
    with small_disk(tmp_path / 'out', '36k') as remount:
        with pytest.raises(OSError, match='No space left') as caught:
            train(tmp_path / 'work', tmp_path / 'out')
        assert caught.value.errno == errno.ENOSPC
        assert 'epoch_2.pth' in str(caught.value)
        assert 'bytes needed' in str(caught.value)
        assert_states_are_intact(tmp_path / 'work')
        assert not list((tmp_path / 'out').glob('*/tmp.*'))
        remount('size=2m')
        train(tmp_path / 'work', tmp_path / 'out', resume=True)
        toy.assert_same_state(final_weights(tmp_path / 'work'), trained)


def fail_from(monkeypatch, call, code):
    """Lets the system's fsync fail from a certain call on."""
    real, calls = os.fsync, []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) >= call:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, 'fsync', fsync)


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EIO])
def test_row_4_failing_disk_in_an_exploration(
    tmp_path, explored, monkeypatch, code
):
    with monkeypatch.context() as patch:
        fail_from(patch, 20, code)  # a state takes four, in the second round
        with pytest.raises(StateError, match=os.strerror(code)):
            explore(tmp_path)
    assert_states_are_intact(tmp_path)
    explore(tmp_path, resume=True)
    assert policy(tmp_path) == explored


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(
    ('call', 'name'), [(5, 'epoch_2.pth'), (7, 'last_checkpoint')]
)
def test_row_4_failing_disk_in_a_training(
    tmp_path, trained, monkeypatch, code, call, name
):
    out_dir = tmp_path / 'out'
    with monkeypatch.context() as patch:
        fail_from(patch, call, code)
        with pytest.raises(OSError, match=os.strerror(code)) as caught:
            train(tmp_path, out_dir)
    assert caught.value.errno == code
    assert f'{name}: ' in str(caught.value)
    assert 'bytes needed' in str(caught.value)
    assert_states_are_intact(tmp_path)
    train(tmp_path, out_dir, resume=True)
    toy.assert_same_state(final_weights(tmp_path), trained)


def test_row_4_read_only_directory(tmp_path, explored):
    with small_disk(tmp_path / 'exploration', '2m') as remount:
        remount('ro')
        with pytest.raises(OSError, match='Read-only') as caught:
            explore(tmp_path)
        assert Path(caught.value.filename).parent == tmp_path / 'exploration'
        remount('rw')
        explore(tmp_path)
        remount('ro')
        with pytest.raises(OSError, match='Read-only'):
            explore(tmp_path, resume=True)
        assert_states_are_intact(tmp_path)
    assert policy(tmp_path) == explored
