"""How far reward and test images agree on the order of weightings."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.support import scripts

NAMES = 'ones', 'uncertainty', 'DWA', 'inverse-loss'


@pytest.fixture
def tools():
    names = 'reward_agreement', 'jobs', 'methods', 'problems', 'results'
    return SimpleNamespace(
        **{
            name: scripts.load(f'benchmarks/compare/{name}.py')
            for name in names
        }
    )


def store(tools, work_dir, name, seed, reward, test):
    """Write the counts of a training: one class, iou of 10 things found."""
    problem = tools.problems.ALL['cascade']
    key = tools.jobs.result_job(problem, tools.methods.METHODS[name], seed).key
    folder = tools.results.job_folder(work_dir, key)
    folder.mkdir(parents=True)
    for value, file, images in (
        (reward, tools.results.REWARD_COUNTS, 3),
        (test, tools.results.COUNTS, 4),
    ):
        counts = np.tile([value / 10, 10.0, 0.0, 0.0], (images, 1, 1))
        np.savez_compressed(folder / file, counts=counts)
    with (work_dir / tools.results.RESULTS).open('a') as file:
        file.write(json.dumps(dict(key=key, error='')) + '\n')


def test_ranks_of_means_over_seeds(tools, tmp_path):
    # Means of the rewards 20, 40, 30, 10; of the tests 25, 35, 45, 15: the
    # second and the third change places, so rho = 1 - 6 * 2 / (4 * 15).
    for seed, shift in ((0, -1), (1, 1)):
        for name, reward, test in zip(
            NAMES, (20, 40, 30, 10), (25, 35, 45, 15), strict=True
        ):
            store(tools, tmp_path, name, seed, reward + shift, test - shift)
    text = tools.reward_agreement.agreement(
        tools.problems.ALL['cascade'], NAMES, [0, 1, 2], tmp_path
    )
    assert '| DWA | 2 | 30.0 | 45.0 |' in text
    # All images are alike here, so each draw says the same.
    assert text.endswith('Rank correlation 0.80 [0.80, 0.80]')


def test_too_few_weightings(tools, tmp_path):
    store(tools, tmp_path, 'ones', 0, 10, 10)
    with pytest.raises(ValueError, match='three or more.*Found ones'):
        tools.reward_agreement.agreement(
            tools.problems.ALL['cascade'], NAMES, [0], tmp_path
        )
