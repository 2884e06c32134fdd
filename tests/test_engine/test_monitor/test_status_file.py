import json
import logging
import os
import socket

import pytest
from mmengine.logging import MMLogger

from mmada.engine.monitor import SCHEMA, Phase, RunStatus, status_file
from mmada.engine.monitor.status_file import StatusFile


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
    assert found['schema'] == SCHEMA == 1
    assert (found['pid'], found['ranks']) == (os.getpid(), 4)
    assert found['host'] == socket.gethostname()
    assert found['started'] <= found['updated']
    assert found['phase'] == 'training'
    assert [p.name for p in path.parent.iterdir()] == ['status.json']


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
    obstacle = tmp_path / 'status.tmp'
    obstacle.mkdir()
    file = StatusFile(path, ranks=1)
    for _ in range(3):
        file.show(RunStatus(), urgent=True)
    (record,) = records
    assert str(path) in record.getMessage()
    assert not path.exists()
    obstacle.rmdir()
    file.show(RunStatus(), urgent=True)
    assert read(path)['phase'] == 'starting'
