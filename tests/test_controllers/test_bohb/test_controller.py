"""The search by BOHB: promises, points, ends, and Optuna's own storage."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from mmada.controllers import BohbSearch, Rest, WeightController
from mmada.controllers.bohb.hyperband import Candidate
from mmada.controllers.bohb.optuna_study import suggest
from mmada.testing import StaticSearchConformance
from mmada.testing.controller_rounds import LOSSES, metrics_of
from tests.test_controllers.shared_behaviour import SharedBehaviour


class TestEveryRoundIsATraining(SharedBehaviour, StaticSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return BohbSearch(rounds_per_training=1, **options)


class TestTrainingsOfTwoRounds(SharedBehaviour, StaticSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return BohbSearch(rounds_per_training=2, reduction_factor=2, **options)

    def test_the_best_replica_has_the_largest_metric(self) -> None:
        """Of those that train."""
        controller, rested = self.new(), 0
        for index in range(6):
            actions = controller.propose(LOSSES)
            rests = [isinstance(e, Rest) for e in controller.plan()]
            metrics = metrics_of(actions, index)
            result = controller.observe(metrics, None)
            metrics[torch.tensor(rests)] = -math.inf
            assert result.best == int(metrics.argmax())
            assert not result.rewards[torch.tensor(rests)].any()
            rested += sum(rests)
        assert rested


def search(**options: Any) -> BohbSearch:
    return BohbSearch(
        **dict(
            dict(
                num_objectives=3,
                num_rounds=12,
                num_replicas=4,
                rounds_per_training=4,
                reduction_factor=2,
            ),
            **options,
        )
    )


def metric(weights: Tensor) -> Tensor:
    """Largest, 0, where the first weight is twice the others."""
    goal = torch.tensor([2.0, 1.0, 1.0]).log()
    logs = weights.log() - goal
    return -(logs - logs.mean(-1, keepdim=True)).square().sum(-1)


def finish(controller: BohbSearch, change: Any = lambda m, c: m) -> int:
    """Plays until nothing is left; returns the segments trained."""
    cost = 0
    for _ in range(controller.num_rounds):
        if controller.finished:
            break
        weights = controller.propose(LOSSES[: controller.num_objectives])
        rests = [isinstance(e, Rest) for e in controller.plan()]
        found = metric(weights)
        found[torch.tensor(rests)] = math.nan
        cost += rests.count(False)
        controller.observe(change(found, controller), None)
    return cost


def test_the_first_candidates_are_the_ones_listed_and_ones_by_default():
    assert search().propose(LOSSES[:3])[0].tolist() == [1.0] * 3
    points = [[1.0, 2.0, 3.0], [1.0, 50.0, 1.0]]
    weights = search(start=points).propose(LOSSES[:3])
    for row, point in zip(weights, points, strict=False):
        expected = torch.tensor(point, dtype=torch.float64)
        torch.testing.assert_close(row, expected / expected.mean())


def test_weights_have_mean_one_and_stay_within_the_spread():
    controller = search(spread=2.0)
    for _ in range(6):
        weights = controller.propose(LOSSES[:3])
        torch.testing.assert_close(
            weights.mean(-1), torch.ones(4, dtype=torch.float64)
        )
        ratio = weights.max(-1).values / weights.min(-1).values
        assert (ratio <= 4.0 + 1e-9).all()
        controller.observe(metric(weights), None)


def test_a_search_says_how_many_candidates_a_model_proposed():
    """One after the other: the seventh is the first that six are known to."""
    controller = search(
        num_replicas=1, rounds_per_training=1, random_fraction=0.0
    )
    found = []
    for _ in range(10):
        weights = controller.propose(LOSSES[:3])
        found.append(controller.observe(metric(weights), None).info)
    assert [info['candidates'] for info in found] == list(range(1, 11))
    assert [info['by_model'] for info in found] == [0] * 6 + [1, 2, 3, 4]


def test_a_search_from_an_earlier_version_does_not_say():
    controller = search(num_replicas=1)
    controller.observe(metric(controller.propose(LOSSES[:3])), None)
    state = controller.state_dict()
    (candidate,) = state['memory']['race']['candidates']
    assert candidate.pop('modelled') is False
    resumed = search(num_replicas=1)
    resumed.load_state_dict(state)
    weights = resumed.propose(LOSSES[:3])
    assert 'by_model' not in resumed.observe(metric(weights), None).info
    assert resumed.state_dict()['memory']['race']['candidates'][0].keys() == (
        candidate.keys()
    )


def test_candidates_that_are_stopped_cost_less():
    """Four candidates, two of them at age 2, one at 3 and 4: not 16."""
    controller = search(num_rounds=4)
    assert finish(controller) == 4 + 2 + 1 + 1
    longer = search()
    assert finish(longer) == sum(c.age for c in longer.candidates)
    assert longer.finished


def test_a_candidate_keeps_its_weights_while_it_trains():
    controller = search()
    first = controller.propose(LOSSES[:3])
    controller.observe(metric(first), None)
    second = controller.propose(LOSSES[:3])
    own = [e.name == 'OWN' for e in controller.plan()]
    assert own.count(True) == 2
    assert torch.equal(first[own], second[own])
    assert (
        metric(first)[own].min()
        >= metric(first)[torch.tensor(own).logical_not()].max()
    )


def test_it_ends_with_the_best_at_the_largest_age():
    controller = search()
    finish(controller)
    whole = [c for c in controller.candidates if c.age == 4]
    assert len(whole) > 1
    values = [c.values[3] for c in whole]
    best = whole[values.index(max(values))]
    point = torch.tensor(best.point, dtype=torch.float64)
    found = controller.ensemble()
    torch.testing.assert_close(found.best_weights, point / point.mean())
    assert found.num_rounds == 1


def test_the_metric_of_one_that_rests_is_of_no_account():
    results = []
    for wrong in (False, True):
        controller = search()

        def change(found: Tensor, c: BohbSearch, wrong=wrong) -> Tensor:
            return found.nan_to_num(1e9) if wrong else found

        finish(controller, change)
        results.append([c.values for c in controller.candidates])
    assert results[0] == results[1]


@pytest.mark.parametrize('num_rounds', [1, 3, 4, 5, 30])
def test_any_number_of_rounds_will_do(num_rounds):
    controller = search(num_rounds=num_rounds)
    finish(controller)
    ages = [c.age for c in controller.candidates]
    assert max(ages) == min(num_rounds, 4)
    assert controller.ensemble().best_weights.isfinite().all()


def test_one_whose_only_candidate_diverges_late_is_over_not_stuck():
    controller = search(num_rounds=4)

    def change(found: Tensor, c: BohbSearch) -> Tensor:
        old = [len(x.values) >= 2 for x in c.candidates if x.open]
        return found * math.nan if all(old) else found

    finish(controller, change)
    assert controller.finished
    assert controller.ensemble().num_rounds == 1
    with pytest.raises(RuntimeError, match='search is over'):
        controller.propose(LOSSES[:3])


def test_a_model_of_good_points_samples_near_them():
    """Thirty points on a line; large first numbers score well."""
    candidates = [
        Candidate(i, 0, 0, [math.exp(x), 1.0], [x], False)
        for i, x in enumerate(torch.linspace(-2, 2, 30).tolist())
    ]
    sampled = [
        [
            math.log(suggest(candidates, age, 2, 10.0, seed)[0])
            for seed in range(20)
        ]
        for age in (1, None)
    ]
    means = [sum(logs) / 20 for logs in sampled]
    assert means[0] > 1.0 > 0.7 > abs(means[1])


def test_who_diverged_repels():
    candidates = [
        Candidate(i, 0, 0, [math.exp(x), 1.0], [None if x > 0 else 1.0])
        for i, x in enumerate(torch.linspace(-2, 2, 30).tolist())
    ]
    logs = [
        math.log(suggest(candidates, 1, 2, 10.0, seed)[0])
        for seed in range(20)
    ]
    assert sum(logs) / 20 < -0.5


def test_finished_candidates_are_copied_once(tmp_path):
    optuna = pytest.importorskip('optuna')
    url = f'sqlite:///{tmp_path}/study.db'
    runs = [search(), search(storage=url), search(storage=url)]
    for run in runs:  # the third is one that was killed and is played again
        finish(run)
    points = [[c.point for c in run.candidates] for run in runs]
    assert points[0] == points[1] == points[2]
    trials = optuna.load_study(study_name='bohb', storage=url).trials
    assert len(trials) == len(points[0])
    by_number = {t.user_attrs['candidate']: t for t in trials}
    for candidate in runs[0].candidates:
        trial = by_number[candidate.number]
        assert list(trial.intermediate_values.values()) == candidate.values
        kind = 'COMPLETE' if candidate.age == 4 else 'PRUNED'
        assert trial.state.name == kind
    with pytest.raises(ValueError, match='of another search'):
        search(storage=url, seed=5).propose(LOSSES[:3])  # before it trains


def test_a_storage_that_cannot_be_opened_is_named(tmp_path):
    pytest.importorskip('optuna')
    url = f'sqlite:///{tmp_path}/none/study.db'
    with pytest.raises(ValueError, match=f"`storage` should.*'{url}'"):
        search(storage=url).propose(LOSSES[:3])


def test_without_optuna_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'optuna', None)
    with pytest.raises(ImportError, match=r'mmada\[search\]'):
        search()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(rounds_per_training=0), '`rounds_per_training`.*0'),
        (dict(reduction_factor=1), '`reduction_factor`.*1'),
        (dict(spread=1.0), '`spread`.*1.0'),
        (dict(random_fraction=2), '`random_fraction`.*2'),
        (dict(start=[[1.0, 2.0]]), '`start`'),
        (dict(start=[1.0, 1.0, 1.0]), r'`start`.*Found \[1.0, 1.0, 1.0\]'),
        (dict(start=5), '`start`.*Found 5'),
        (dict(start='abc'), "`start`.*Found 'a'"),
        (dict(start=[[1.0, 2.0, 1000.0]]), '`start`.*at most 100 times'),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        search(**options)
    if 'rounds_per_training' in options:
        with pytest.raises(ValueError, match=message):
            BohbSearch.training_rounds(3, options)


def test_the_schedule_is_that_of_one_training():
    assert BohbSearch.training_rounds(30, dict(rounds_per_training=9)) == 9
