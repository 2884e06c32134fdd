"""What searches promised, and what trainings kept of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import scripts
from tests.test_visualization import records

PROBLEM = 'camvid, misscaled'
SEARCH = 'SlopeSearch of kinds +rpn, first half'


@pytest.fixture
def tools() -> SimpleNamespace:
    names = 'promises', 'jobs', 'methods', 'problems', 'results'
    return SimpleNamespace(
        **{
            name: scripts.load(f'benchmarks/compare/{name}.py')
            for name in names
        }
    )


def store(
    tools: SimpleNamespace,
    work_dir: Path,
    name: str,
    *,
    reward: float,
    test: float,
    error: str = '',
) -> None:
    """Record a training of the first seed."""
    method = tools.methods.METHODS[name]
    job = tools.jobs.result_job(tools.problems.ALL[PROBLEM], method, 0)
    record = dict(key=job.key, error=error)
    record |= dict(reward={'PQ': reward}, metrics={'PQ': test})
    with (work_dir / tools.results.RESULTS).open('a') as file:
        file.write(json.dumps(record) + '\n')


def store_search(
    tools: SimpleNamespace, work_dir: Path, name: str, **info: float
) -> None:
    """Record a search of the first seed, of two rounds."""
    job = tools.jobs.search_job(tools.problems.ALL[PROBLEM], name, 0)
    folder = tools.results.job_folder(work_dir, job.key)
    rounds = [records.round_record(1), records.round_record(2, info=info)]
    records.write(folder / tools.results.HISTORY, rounds)


def test_promised_and_kept(tools, tmp_path):
    store_search(tools, tmp_path, SEARCH, promised=44.0, control=41.5)
    store(tools, tmp_path, 'ones', reward=40.0, test=38.0)
    store(tools, tmp_path, SEARCH, reward=41.0, test=37.5)
    (found,) = tools.promises.promises(tmp_path, [0, 1])
    assert found == (PROBLEM, SEARCH, 0, 2.5, 1.0, -0.5)


def test_what_is_no_promise_or_has_no_training_is_left_out(tools, tmp_path):
    # No control; scored on other images than the records are; failed.
    store_search(tools, tmp_path, 'SlopeSearch, equal terms', promised=44.0)
    store(tools, tmp_path, 'SlopeSearch, equal terms', reward=41.0, test=37.5)
    other = 'SlopeSearch, equal terms, first half, validation images'
    store_search(tools, tmp_path, other, promised=44.0, control=41.5)
    store(tools, tmp_path, other, reward=41.0, test=37.5)
    store_search(tools, tmp_path, SEARCH, promised=44.0, control=41.5)
    store(tools, tmp_path, SEARCH, reward=0.0, test=0.0, error='killed')
    store(tools, tmp_path, 'ones', reward=40.0, test=38.0)
    assert not list(tools.promises.promises(tmp_path, [0]))
