"""The best of several trainings by the reward images."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.support import scripts

METHODS = ('ones', 'uncertainty')


@pytest.fixture
def tools() -> SimpleNamespace:
    names = 'best_of', 'jobs', 'methods', 'problems', 'rows'
    return SimpleNamespace(
        **{
            name: scripts.load(f'benchmarks/compare/{name}.py')
            for name in names
        }
    )


def test_the_reward_images_choose_and_all_trainings_cost(tools):
    """With each seed the one that is worse on the test images is kept."""
    problem = tools.problems.ALL['camvid']
    # By method, of the first seed and the second one.
    scores = {'ones': (40.0, 38.0), 'uncertainty': (39.0, 39.0)}
    rewards = {'ones': (20.0, 26.0), 'uncertainty': (21.0, 25.0)}
    rows, records = [], {}
    for name in METHODS:
        method = tools.methods.METHODS[name]
        results = {}
        for seed in (0, 1):
            score = scores[name][seed]
            results[seed] = tools.rows.Result(
                {'PQ': score}, score, 1.5, 0.0, np.array([score])
            )
            key = tools.jobs.result_job(problem, method, seed).key
            records[key] = dict(reward={'PQ': rewards[name][seed]})
        if name == 'ones':  # a seed that the others lack
            results[2] = results[0]
        rows.append(tools.rows.Row(method, results, {}, None, problem.scoring))
    found = tools.best_of.choose(problem, rows, records)
    assert {seed: choice.method for seed, choice in found.items()} == {
        0: 'uncertainty',
        1: 'ones',
    }
    assert [choice.result.score for choice in found.values()] == [39, 38]
    assert [choice.result.cost for choice in found.values()] == [3, 3]


def test_a_method_without_results_is_named(tools, tmp_path):
    with pytest.raises(ValueError, match='Found no result of DWA, ones'):
        tools.best_of.main([str(tmp_path), 'camvid', '--methods', 'DWA'])
