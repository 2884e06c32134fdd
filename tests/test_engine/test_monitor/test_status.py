"""The status is valid JSON, never half written, and never in the way."""

import json
import logging
import math
import os
import socket

import pytest
from mmengine.logging import MMLogger

from mmada.engine.monitor import FORMAT, Phase, RunStatus
from mmada.engine.monitor import status as status_file
from mmada.engine.monitor.status import StatusFile


@pytest.mark.parametrize(
    ('fields', 'expected'),
    [
        ({}, None),
        (dict(iteration=3, num_iterations=12), 0.25),
        (dict(num_iterations=12), 0.0),
        # Round 2 of 4, replica 3 of 5, a half: (1 + (2 + 0.5) / 5) / 4.
        (
            dict(
                round=2,
                num_rounds=4,
                replicas=(3, 4),
                num_replicas=5,
                iteration=5,
                num_iterations=10,
            ),
            0.375,
        ),
    ],
)
def test_progress_is_the_part_of_the_phase_that_is_done(fields, expected):
    assert RunStatus(**fields).progress == pytest.approx(expected)


def test_json_has_all_fields_and_no_word_that_json_lacks():
    status = RunStatus(
        Phase.PSEUDO_EPOCH,
        replicas=(1, 2),
        best_metric=math.nan,
        seconds_left=math.inf,
    )
    found = json.loads(json.dumps(status.to_json(), allow_nan=False))
    assert found.pop('phase') == 'pseudo epoch'
    assert found.pop('replicas') == [1, 2]
    assert set(found.values()) == {None}
    assert {'best_metric', 'seconds_left', 'progress', 'error'} <= set(found)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the file is told, in a list of one."""
    now = [100.0]
    monkeypatch.setattr(status_file.time, 'monotonic', lambda: now[0])
    return now


def read(path):
    return json.loads(path.read_text())


def test_the_file_says_which_process_writes_it(tmp_path):
    path = tmp_path / 'exploration/status.json'
    StatusFile(path, ranks=4).show(RunStatus(Phase.TRAINING), urgent=True)
    found = read(path)
    assert found['schema'] == FORMAT == 1
    assert (found['pid'], found['ranks']) == (os.getpid(), 4)
    assert found['host'] == socket.gethostname()
    assert found['started'] <= found['updated']
    assert found['phase'] == 'training'
    assert [p.name for p in path.parent.iterdir()] == ['status.json']


def test_what_a_killed_writer_left_is_removed(tmp_path):
    (tmp_path / f'tmp.{"0f" * 16}').touch()
    StatusFile(tmp_path / 'status.json', ranks=1)
    assert not list(tmp_path.iterdir())


def test_it_is_written_every_two_seconds_unless_urgent(tmp_path, clock):
    file = StatusFile(tmp_path / 'status.json', ranks=1)
    seen = []
    for seconds, urgent in [(0, 0), (1, 0), (0.9, 1), (1.9, 0), (0.2, 0)]:
        clock[0] += seconds
        status = RunStatus(iteration=len(seen))
        file.show(status, urgent=bool(urgent))
        seen.append(read(file.path)['iteration'])
    assert seen == [0, 0, 2, 2, 4]


def test_a_failing_disk_is_logged_once_and_forgiven(tmp_path):
    logger = MMLogger.get_instance('disk', log_level='INFO')
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    path = tmp_path / 'status.json'
    path.mkdir()
    file = StatusFile(path, ranks=1)
    for _ in range(3):
        file.show(RunStatus(), urgent=True)
    (record,) = records
    assert str(path) in record.getMessage()
    path.rmdir()
    file.show(RunStatus(), urgent=True)
    assert read(path)['phase'] == 'starting'
    assert os.listdir(tmp_path) == ['status.json']
