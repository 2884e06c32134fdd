"""The same exploration on one rank or several."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests import ranks

WORKER = Path(__file__).with_name('explore_worker.py')


def explore(work_dir, world_size, **options):
    return ranks.run(WORKER, world_size, work_dir, json.dumps(options))


def history(work_dir):
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    """Work directory of the exploration on one rank."""
    work_dir = tmp_path_factory.mktemp('one')
    explore(work_dir, 1)
    return work_dir


def assert_same_run(first, second):
    assert history(first) == history(second)
    for name in ('policy.safetensors',):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize('world_size', [2, 3, 4])
def test_the_number_of_ranks_changes_no_bit(one, tmp_path, world_size):
    explore(tmp_path, world_size)
    assert_same_run(one, tmp_path)
    assert len(history(tmp_path)[-1]['digest']) == 64
