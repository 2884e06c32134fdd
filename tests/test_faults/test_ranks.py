"""Several ranks: one fails, dies, waits or differs; the others know."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmada.engine.preemption import EXIT_STATUS
from tests.test_faults import children
from tests.test_faults.faulty_loop import wait_for
from tests.test_faults.marks import later

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name('worker.py')
LONG_AGO = 40  # seconds; an end after a timeout would take longer


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Work directory of an exploration on one rank, undisturbed."""
    work_dir = tmp_path_factory.mktemp('whole')
    children.run(work_dir)
    return work_dir


def failed(work_dir, world_size=2, timeout=100, **options):
    """Runs ranks that all have to end with an error.

    Returns:
        Their outputs, and the seconds between the first and the last end.
    """
    started = children.start(work_dir, world_size=world_size, **options)
    ends = {}
    deadline = time.monotonic() + timeout
    while len(ends) < world_size and time.monotonic() < deadline:
        for rank, child in enumerate(started):
            if rank not in ends and child.exitcode is not None:
                ends[rank] = time.monotonic()
        time.sleep(0.02)
    codes = children.finish(started, 0.1)
    outputs = [children.output(work_dir, rank) for rank in range(world_size)]
    assert len(ends) == world_size, '\n'.join(outputs)
    assert 0 not in codes
    return outputs, max(ends.values()) - min(ends.values())


@pytest.mark.parametrize(
    'fault',
    [
        later(dict(kind='parameter', at=3)),
        later(dict(kind='parameter', at=1)),
        dict(kind='memory', times=2),
        later(dict(kind='error')),
        later(dict(kind='error', at='evaluation')),
    ],
)
def test_a_fault_on_one_rank_ends_as_on_a_single_one(tmp_path, fault):
    faults = [fault, dict(fault, round=1, replica=2)]
    children.run(tmp_path / 'one', faults=faults)
    children.run(tmp_path / 'two', world_size=2, faults=faults)
    children.assert_same_run(tmp_path / 'one', tmp_path / 'two')
    again = [] if fault['kind'] == 'parameter' else [['0', '1'], ['1', '2']]
    assert sorted(children.redone(tmp_path / 'two')) == again


@pytest.mark.faults
def test_a_round_that_nobody_survives_is_the_same_on_ranks(whole, tmp_path):
    faults = [dict(kind='parameter', at=3, replica=k) for k in range(4)]
    children.run(tmp_path / 'one', faults=faults)
    children.run(tmp_path / 'two', world_size=2, faults=faults)
    children.assert_same_run(tmp_path / 'one', tmp_path / 'two')
    # New samples were drawn for the second attempt.
    assert children.history(tmp_path / 'one') != children.history(whole)
    text = children.output(tmp_path / 'two')
    assert 'All replicas of round 1 diverged; it is tried again' in text


@pytest.mark.parametrize('replica', [later(0), 1])
def test_an_error_twice_ends_all_ranks_with_its_traceback(tmp_path, replica):
    fault = dict(kind='error', at='evaluation', replica=replica, times=2)
    outputs, seconds = failed(tmp_path, faults=[fault])
    for text in outputs:
        assert f'ReplicaError: Replica {replica + 1} of round 1' in text
        assert 'ZeroDivisionError: by a test' in text
    assert seconds < LONG_AGO


@pytest.mark.parametrize('replica', [later(2), 3])
def test_a_dead_rank_ends_the_others_at_once(whole, tmp_path, replica):
    """Replicas 2 and 3 are those of ranks 0 and 1 in the second wave."""
    fault = dict(kind='kill', round=1, replica=replica)
    outputs, seconds = failed(tmp_path, faults=[fault])
    survivor = outputs[replica == 2]
    assert 'RemoteError' in survivor
    dead = f'rank {replica - 2} on {socket.gethostname()}'
    assert f'{dead}: replica {replica + 1}\n' in survivor
    assert seconds < LONG_AGO
    children.run(tmp_path, world_size=2)
    children.assert_same_run(whole, tmp_path)


@pytest.mark.parametrize('world_size', [later(1), 3])
def test_killed_on_two_ranks_resumed_on_others(whole, tmp_path, world_size):
    fault = dict(kind='kill', round=1, replica=1)
    failed(tmp_path, faults=[fault])
    children.run(tmp_path, world_size=world_size)
    children.assert_same_run(whole, tmp_path)
    # Replica 0 of the wave had been trained by the rank that lived.
    assert set(map(tuple, children.redone(tmp_path))) <= {
        ('1', '0'),
        ('1', '1'),
    }


SITES = [
    'explore.after_proposal:2',
    'explore.before_agreement:3',
    'explore.after_broadcast:2',
    'explore.after_observation:2',
    'state.before_rename:4',
    'explore.before_policy',
    'checkpoint.inside_write',
]


@pytest.mark.faults
@pytest.mark.parametrize('site', SITES)
@pytest.mark.parametrize('rank', [0, 1])
def test_a_rank_killed_at_a_named_place(whole, tmp_path, site, rank):
    """Places that it never passes harm nobody."""
    started = children.start(
        tmp_path, world_size=2, failpoint=site, failing_rank=rank
    )
    codes = children.finish(started, 60)
    writes = site.startswith(('state', 'checkpoint'))
    if rank == 1 and writes:  # rank 0 alone does
        assert codes == [0, 0]
    else:
        assert codes[rank] == -signal.SIGKILL
        assert codes[1 - rank] not in (0, -signal.SIGKILL)
    children.run(tmp_path, world_size=2)
    children.assert_same_run(whole, tmp_path)


@pytest.mark.faults
def test_killed_on_two_ranks_in_turn_until_done(whole, tmp_path):
    for number, world_size in enumerate((2, 3, 1, 4, 2)):
        fault = dict(kind='kill', round=number // 2, replica=1 + number % 2)
        codes = children.finish(
            children.start(tmp_path, world_size=world_size, faults=[fault])
        )
        assert -signal.SIGKILL in codes
    children.run(tmp_path, world_size=2)
    children.assert_same_run(whole, tmp_path)


@pytest.mark.faults
def test_a_straggler_is_waited_for(whole, tmp_path):
    fault = dict(kind='wait', seconds=2)
    children.run(tmp_path, world_size=2, faults=[fault], replica_timeout=60)
    children.assert_same_run(whole, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize('replica', [0, 1])
def test_a_straggler_over_the_timeout_is_named(whole, tmp_path, replica):
    fault = dict(kind='wait', seconds=6, replica=replica)
    outputs, seconds = failed(tmp_path, faults=[fault], replica_timeout=3)
    waiting = outputs[1 - replica]
    assert 'waited at most 3 s (`replica_timeout`)' in waiting
    late = f'rank {replica} on {socket.gethostname()}'
    assert f'{late}: replica {replica + 1}\n' in waiting
    assert 'RemoteError' in outputs[replica]
    assert seconds < LONG_AGO
    children.run(tmp_path, world_size=2)
    children.assert_same_run(whole, tmp_path)


def test_ranks_that_differ_after_a_broadcast_are_named(tmp_path):
    name = 'head_b.bias'
    outputs, _ = failed(tmp_path, corrupt=name)
    for text in outputs:
        assert (
            'ReplicaError: Ranks 0 and 1 do not hold the same state; the '
            f'first difference is in parameters.{name}.' in text
        )


def test_a_full_disk_of_rank_0_ends_the_others(whole, tmp_path):
    outputs, seconds = failed(tmp_path, commit_fault=('full', 4))
    assert 'StateError: cannot write' in outputs[0]
    assert 'No space left on device' in outputs[0]
    assert 'Error: ' in outputs[1]
    assert seconds < LONG_AGO
    children.run(tmp_path)
    children.assert_same_run(whole, tmp_path)


@pytest.mark.faults
def test_a_second_run_of_ranks_in_the_directory_is_refused(whole, tmp_path):
    released = tmp_path / 'released'
    fault = dict(kind='hold', path=str(released))
    first = children.start(tmp_path / 'run', world_size=2, faults=[fault])
    wait_for(tmp_path / 'run/iterations.txt')
    other = tmp_path / 'other'
    other.mkdir()
    (other / 'exploration').symlink_to(tmp_path / 'run/exploration')
    outputs, seconds = failed(other)
    for text in outputs:
        assert 'RunLockedError' in text
        assert f'is in use by process {first[0].pid} on host' in text
    assert 'RemoteError: Rank 0 failed' in outputs[1]
    assert seconds < LONG_AGO
    released.touch()
    assert children.finish(first) == [0, 0]
    children.assert_same_run(whole, tmp_path / 'run')


@pytest.mark.faults
@pytest.mark.parametrize('kind', ['error', 'memory', 'kill'])
@pytest.mark.parametrize('at', [2, 'evaluation'])
def test_a_fault_among_ranks_that_train_one_replica_ends_them(
    tmp_path, kind, at
):
    faults = [dict(kind=kind, at=at)]  # of the rank that comes there first
    together = dict(ranks_per_replica=2, replica_timeout=60)
    outputs, seconds = failed(tmp_path, faults=faults, **together)
    if kind != 'kill':
        own = 'by a test' if kind == 'error' else 'no memory'
        assert any(own in text for text in outputs)
    assert seconds < LONG_AGO
    children.run(tmp_path, world_size=2, **together)
    assert len(children.history(tmp_path).splitlines()) == 3


@pytest.mark.faults
def test_sigterm_to_one_rank_ends_all_and_is_resumed(whole, tmp_path):
    fault = dict(kind='term', round=1, replica=1)
    started = children.start(tmp_path, world_size=2, faults=[fault])
    codes = children.finish(started, 60)
    assert codes[1] == EXIT_STATUS
    assert codes[0] not in (0, -signal.SIGKILL)
    children.run(tmp_path, world_size=2)
    children.assert_same_run(whole, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize('replica', [0, 1])
def test_torchrun_restarts_all_ranks_after_one_died(whole, tmp_path, replica):
    fault = dict(kind='kill', round=1, replica=replica)
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run', '--standalone'),
            *('--nproc_per_node', '2', '--max-restarts', '1'),
            *(WORKER, tmp_path, json.dumps(dict(faults=[fault]))),
        ],
        # As tools/dist_train.sh: a store that the attempts share may hold
        # the address of a rank that is dead.
        env=dict(
            os.environ,
            PYTHONPATH=str(ROOT),
            OMP_NUM_THREADS='1',
            TORCH_DISABLE_SHARE_RDZV_TCP_STORE='1',
        ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert (tmp_path / 'faults.txt').read_text().count('kill') == 1
    children.assert_same_run(whole, tmp_path)
