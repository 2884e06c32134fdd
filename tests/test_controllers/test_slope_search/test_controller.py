"""Whole trainings around a start, and a step up the slope between them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from mmada.controllers import RoundResult, SlopeSearch, WeightController
from mmada.controllers.base import Rest, Start
from mmada.testing import WeightControllerConformance
from mmada.testing.controller_rounds import LOSSES as SUITE_LOSSES
from mmada.testing.controller_rounds import play as play_rounds
from tests.test_controllers.shared_behaviour import SharedBehaviour

LOSSES = torch.tensor([0.5, 0.1, 2.0, 1.0], dtype=torch.float64)


class TestSlopeSearch(SharedBehaviour, WeightControllerConformance):
    def build(self, **options: Any) -> WeightController:
        return SlopeSearch(**options)

    def test_the_ensemble_holds_one_vector_of_weights(self) -> None:
        controller = self.new()
        play_rounds(controller, 3)
        ensemble = controller.ensemble()
        assert ensemble.num_rounds == 1
        torch.testing.assert_close(
            ensemble.best_weights, ensemble.last_weights(SUITE_LOSSES)
        )

    def test_the_best_weights_are_not_what_a_caller_made_of_them(self) -> None:
        first, second = self.new(), self.new()
        for controller in (first, second):
            for _ in range(controller.num_rounds):
                weights = controller.propose(SUITE_LOSSES)
                metrics = weights[:, 0].log()
                if controller is first:
                    weights.zero_()
                controller.observe(metrics, None)
        assert torch.equal(
            first.ensemble().best_weights, second.ensemble().best_weights
        )


class TestSlopeSearchOfTheOuterPointsAlone(TestSlopeSearch):
    def build(self, **options: Any) -> WeightController:
        return SlopeSearch(centre=False, control=False, **options)


def search(**options: Any) -> SlopeSearch:
    """A search without centre point and control, which later tests add."""
    given: dict[str, Any] = dict(
        num_objectives=4, num_rounds=3, num_replicas=4
    )
    given |= dict(centre=False, control=False)
    return SlopeSearch(**(given | options))


def test_too_few_replicas_are_named() -> None:
    with pytest.warns(UserWarning, match='at least 4, better 6, to tell the'):
        search(num_replicas=3)
    with pytest.warns(UserWarning, match='at least 5, better 7, to tell the'):
        search(num_replicas=4, centre=True)
    # Three have no control, but six do.
    for count in (3, 5):
        with pytest.warns(UserWarning, match='at least 6, better 8, to tell'):
            search(num_replicas=count, centre=True, control=True)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        search(num_replicas=4)
        search(num_replicas=5, centre=True)
        search(num_replicas=6, centre=True, control=True)


def play(controller: SlopeSearch, metric: Any) -> list[Tensor]:
    proposed = []
    for index in range(controller.num_rounds):
        weights = controller.propose(LOSSES * 0.9**index)
        proposed.append(weights)
        controller.observe(metric(weights, index), None)
    return proposed


def test_all_train_from_the_start_to_the_end_with_the_same_weights() -> None:
    controller = search()
    assert controller.propose(LOSSES).shape == (4, 4)
    assert controller.plan() == (Start.INITIAL,) * 4
    first = controller.observe(torch.arange(4.0), None)
    assert first.best == 3
    weights = controller.propose(LOSSES * 0.3)
    assert controller.plan() == (Start.OWN,) * 4
    assert torch.equal(weights, play(search(), lambda w, i: w[:, 0])[0])
    assert SlopeSearch.training_rounds(12, {}) == 12


def test_one_that_diverged_rests_and_counts_as_the_worst() -> None:
    controller = search()
    controller.propose(LOSSES)
    metrics = torch.tensor([1.0, math.nan, 2.0, 3.0])
    controller.observe(metrics, None)
    controller.propose(LOSSES)
    assert controller.plan()[1] is Rest.EMPTY
    assert controller.plan()[0] is Start.OWN


def test_the_policy_weighs_up_what_the_metric_wants() -> None:
    controller = search(noise=0.01)
    play(controller, lambda weights, index: weights[:, 3].log())
    ensemble = controller.ensemble()
    shares = ensemble.weights(1, 3, LOSSES) * LOSSES
    assert float(shares[3] / shares.sum()) > 0.5  # 0.25 at the start


def test_metrics_are_copied() -> None:
    policies = []
    for change in (False, True):
        controller = search(noise=0.01, num_rounds=6)
        for index in range(controller.num_rounds):
            weights = controller.propose(LOSSES * 0.9**index)
            metrics = weights[:, 3].log().double()
            controller.observe(metrics, None)
            if change:
                metrics.zero_()
        policies.append(controller.ensemble().weights(1, 3, LOSSES))
    assert torch.equal(*policies)


def test_metrics_of_chance_alone_leave_the_start() -> None:
    controller = search(noise=1e6)
    play(controller, lambda weights, index: weights[:, 3].log())
    shares = controller.ensemble().weights(1, 3, LOSSES) * LOSSES
    torch.testing.assert_close(
        shares / shares.sum(), torch.full((4,), 0.25).double()
    )


def test_a_search_without_a_step_says_so() -> None:
    controller = search(noise=1e6)
    for index in range(3):
        controller.propose(LOSSES)
        result = controller.observe(torch.arange(4.0), None)
        assert result.updated is (index < 2)
    assert result.info['confidence'] == 0
    assert 'replicas around it ended at 0 to 3' in result.reason
    assert '`noise`, is 1e+06' in result.reason


def test_equal_metrics_are_called_equal() -> None:
    controller = search()
    for _ in range(3):
        controller.propose(LOSSES)
        result = controller.observe(torch.zeros(4), None)
    assert result.reason == (
        'the policy stays at its start: all replicas around it ended at 0'
    )
    assert not controller.learned([True] * 3, torch.zeros(3, 4))


def test_a_step_is_a_lesson() -> None:
    controller = search(noise=0.0)
    play(controller, lambda weights, index: weights[:, 3].log())
    assert controller.learned([False] * 3, torch.zeros(3, 4))


def test_the_unit_of_the_metric_plays_no_part() -> None:
    policies = []
    for unit in (1.0, 100.0):
        controller = search()
        play(controller, lambda w, i, u=unit: u * (0.4 + 0.02 * w[:, 3].log()))
        policies.append(controller.ensemble().weights(1, 3, LOSSES))
    torch.testing.assert_close(*policies)
    shares = policies[0] * LOSSES
    assert float(shares[3] / shares.sum()) > 0.5  # 0.25 at the start


def test_by_default_chance_is_a_share_of_the_metric() -> None:
    def confidence(**options: Any) -> float:
        controller = search(**options)
        for _ in range(3):
            controller.propose(LOSSES)
            result = controller.observe(
                torch.tensor([39.0, 40.0, 40.0, 41.0]), None
            )
        return result.info['confidence']

    assert confidence() == pytest.approx(confidence(noise=0.015 * 40))
    assert 0 < confidence() < confidence(noise=0.0) == 1


def test_the_last_third_of_the_rounds_decides() -> None:
    def metric(weights: Tensor, index: int) -> Tensor:
        return weights[:, 3 if index < 4 else 0].log()

    controller = search(num_rounds=6, noise=0.01)
    play(controller, metric)
    shares = controller.ensemble().weights(1, 6, LOSSES) * LOSSES
    assert float(shares[0] / shares.sum()) > 0.5


def test_a_search_may_end_before_its_trainings() -> None:
    early = search(num_rounds=2, rounds_per_training=6)
    assert SlopeSearch.training_rounds(2, dict(rounds_per_training=6)) == 6
    assert SlopeSearch.training_rounds(2, {}) == 2
    proposed = play(early, lambda weights, index: weights[:, 3].log())
    assert torch.equal(proposed[1], search(num_rounds=6).propose(LOSSES))
    assert early.learned([True] * 2, torch.zeros(2, 4))


@pytest.mark.parametrize('value', [1, 2.5, 'x', True])
def test_trainings_are_not_shorter_than_the_search(value: Any) -> None:
    said = '`rounds_per_training` should be an integer of at least 2'
    with pytest.raises(ValueError, match=f'{said}. Found {value!r}'):
        search(num_rounds=2, rounds_per_training=value)
    with pytest.raises(ValueError, match=said):
        SlopeSearch.training_rounds(2, dict(rounds_per_training=value))


@pytest.mark.parametrize('value', [None, '3', True])
def test_odd_numbers_of_rounds_are_named(value: Any) -> None:
    for more in ({}, dict(rounds_per_training=3)):
        with pytest.raises(ValueError, match=f'`num_rounds`.*{value!r}'):
            search(num_rounds=value, **more)


def test_the_length_of_trainings_is_part_of_a_search() -> None:
    """But not where it is that of the search, as in older states."""
    state = search(num_rounds=2).state_dict()
    search(num_rounds=2, rounds_per_training=2).load_state_dict(state)
    with pytest.raises(ValueError, match='rounds_per_training'):
        search(num_rounds=2, rounds_per_training=4).load_state_dict(state)


def test_as_many_rounds_decide_where_a_search_ends_early() -> None:
    # Four, a third of twelve, whether they are all rounds or half of them.
    for num_rounds, expected in ((4, 3), (8, 0)):
        controller = search(
            num_rounds=num_rounds, rounds_per_training=12, noise=0.0
        )
        play(controller, lambda w, i: w[:, 0 if i > 3 else 3].log())
        shares = controller.ensemble().weights(1, 1, LOSSES) * LOSSES
        assert int(shares.argmax()) == expected


def test_groups_share_a_factor() -> None:
    controller = search(groups=[[0, 1], [2, 3]], num_replicas=2)
    weights = controller.propose(LOSSES) * LOSSES
    torch.testing.assert_close(weights[:, 0], weights[:, 1])
    torch.testing.assert_close(weights[:, 2], weights[:, 3])
    assert not torch.allclose(weights[:, 0], weights[:, 2])


def test_one_replica_has_no_slope() -> None:
    with pytest.raises(ValueError, match='num_replicas'):
        search(num_replicas=1)
    with pytest.raises(ValueError, match='`num_replicas`.*3. Found 2'):
        search(num_replicas=2, centre=True)
    with pytest.raises(ValueError, match='`centre`.*Found 2'):
        search(centre=2)
    with pytest.raises(ValueError, match='`control`.*Found 1'):
        search(control=1)


def centred(metrics: list[float], **options: Any) -> RoundResult:
    """A search of one round, around a centre point of metric 40.

    Four others in three directions: a tetrahedron.
    """
    controller = search(
        num_rounds=1, num_replicas=5, centre=True, noise=0.0, **options
    )
    controller.propose(LOSSES)
    result = controller.observe(torch.tensor(metrics).double(), None)
    result.info['shift'] = float(
        (controller.ensemble().weights(1, 1, LOSSES) * LOSSES).log().std()
    )
    return result


def test_the_centre_point_trains_with_the_start() -> None:
    controller = search(num_replicas=5, centre=True)
    shares = controller.propose(LOSSES) * LOSSES
    torch.testing.assert_close(shares[0], shares[0].mean().expand(4))
    for row in shares[1:]:
        assert float(row.log().std()) > 0.5
    # The others are where they are without one.
    outer = search(num_replicas=4).propose(LOSSES) * LOSSES
    assert torch.equal(shares[1:], outer)


def test_curvature_and_length_by_hand() -> None:
    # 40 - mean(36, 36, 36, 32) = 5 over three directions. The slope is
    # (1/4) sum v u; |u|^2 = 3 and u u' = -1 for two corners, so that
    # |g|^2 = (3 sum v^2 - sum_{i != j} v_i v_j) / 16 with v about its mean
    # (1, 1, 1, -3): (36 + 12) / 16 = 3.
    info = centred([40.0, 36.0, 36.0, 36.0, 32.0]).info
    assert info['curvature'] == pytest.approx(5 / 3)
    expected = math.sqrt(3) / (2 * 5 / 3)
    assert info['step'] == pytest.approx(1.2 * expected)
    assert info['confidence'] == 1


def test_a_step_is_never_longer_than_the_way_to_the_points() -> None:
    # As flat as can be, and curved upwards.
    for centre in (35.1, 35.0, 20.0, math.nan):
        info = centred([centre, 36.0, 36.0, 36.0, 32.0]).info
        assert info['step'] == pytest.approx(1.2 * math.sqrt(3))
    assert 'curvature' not in info  # the centre point failed


def test_the_policy_takes_the_step_that_is_reported() -> None:
    near = centred([60.0, 36.0, 36.0, 36.0, 32.0]).info
    far = centred([35.0, 36.0, 36.0, 36.0, 32.0]).info
    assert near['shift'] / near['step'] == pytest.approx(
        far['shift'] / far['step']
    )
    assert near['step'] < 0.2 * far['step']


def test_the_centre_alone_survives() -> None:
    """Then nothing is known of any direction."""
    nan = math.nan
    result = centred([40.0, nan, nan, nan, nan])
    assert not result.updated and result.info['step'] == 0


def test_a_centre_far_above_explains_nothing_of_a_slope() -> None:
    result = centred([60.0, 36.0, 36.0, 36.0, 36.0])
    assert result.reason == (
        'the policy stays at its start: all replicas around it ended at 36'
    )


def test_too_few_survivors_are_counted() -> None:
    nan = math.nan
    for outer, known in (([nan] * 4, 0), ([nan, 36.0, nan, nan], 1)):
        result = centred([40.0, *outer])
        assert result.reason == (
            f'the policy stays at its start: {known} of the 4 replicas around '
            'it ended with a metric'
        )
    controller = search(
        num_rounds=1, num_replicas=6, centre=True, control=True
    )
    controller.propose(LOSSES)
    metrics = torch.tensor([nan] * 5 + [30.0])
    result = controller.observe(metrics, None)
    assert '0 of the 4 replicas around it' in result.reason
    assert not controller.learned([False], metrics[None])


def test_with_equal_seeds_confidence_is_that_of_the_others_alone() -> None:
    metrics = [39.0, 40.0, 40.0, 41.0]
    without = search(num_rounds=1)
    without.propose(LOSSES)
    result = without.observe(torch.tensor(metrics), None)
    controller = search(num_rounds=1, num_replicas=5, centre=True)
    controller.propose(LOSSES)
    other = controller.observe(torch.tensor([90.0, *metrics]), None)
    assert result.info['confidence'] == other.info['confidence']


def test_a_search_of_before_the_centre_point_goes_on_without_it() -> None:
    begun = search(num_replicas=4)
    begun.propose(LOSSES)
    begun.observe(torch.arange(4.0), None)
    state = begun.state_dict()
    del state['identity']['options']['centre']
    for _ in range(2):
        resumed = search(num_replicas=4, centre=True)
        resumed.load_state_dict(state)
        state = resumed.state_dict()
    for controller in (begun, resumed):
        for _ in range(2):
            controller.propose(LOSSES)
            result = controller.observe(torch.arange(4.0), None)
        assert 'step' not in result.info
    assert torch.equal(
        begun.ensemble().best_weights, resumed.ensemble().best_weights
    )


def test_the_control_trains_with_all_weights_1() -> None:
    weights = search(num_replicas=6, centre=True, control=True).propose(LOSSES)
    assert torch.equal(weights[-1], torch.ones(4).double())
    without = search(num_replicas=5, centre=True).propose(LOSSES)
    assert torch.equal(weights[:-1], without)
    # Two others are needed.
    few = search(num_replicas=3, centre=True, control=True).propose(LOSSES)
    assert not (few == 1).all(1).any()
    # Around all ones the centre point is one already.
    around = search(num_replicas=5, centre=True, control=True, start=0.0)
    weights = around.propose(LOSSES)
    assert torch.equal(weights[0], torch.ones(4).double())
    assert not (weights[1:] == 1).all(1).any()
    # Without a centre point none is.
    around = search(num_replicas=5, control=True, start=0.0)
    weights = around.propose(LOSSES)
    assert torch.equal(weights[-1], torch.ones(4).double())
    assert not (weights[:-1] == 1).all(1).any()


def controlled(
    control: float, last: float = 32.0, noise: float = 0.0, **options: Any
) -> tuple[SlopeSearch, RoundResult]:
    """A search of one round whose step promises 40.45.

    As in :func:`centred`: 40 + |g|^2 / 4 c = 40 + 3 / (4 * 5 / 3).
    """
    controller = search(
        num_rounds=1,
        num_replicas=6,
        centre=True,
        control=True,
        noise=noise,
        **options,
    )
    controller.propose(LOSSES)
    metrics = torch.tensor([40.0, 36.0, 36.0, 36.0, last, control])
    result = controller.observe(metrics.double(), None)
    return controller, result


def test_what_a_control_beats_is_not_learned() -> None:
    for control, better in ((40.44, True), (40.46, False), (math.nan, True)):
        controller, result = controlled(control)
        # With a centre point and a control by default.
        resumed = SlopeSearch(4, 1, 6, noise=0.0)
        resumed.load_state_dict(controller.state_dict())
        for each in (controller, resumed):
            scores = torch.zeros(1, 6)
            assert each.learned([result.updated], scores) is better
        assert result.updated is better
    # The last control failed.
    assert 'control' not in result.info
    assert result.info['promised'] == pytest.approx(40.45)
    _, result = controlled(41.0)
    assert result.info['control'] == 41
    assert result.info['promised'] == pytest.approx(40.45)
    assert result.reason == (
        'the replica with all weights 1 ended at 41; the step should promise '
        'more than 41, and promises 40.45'
    )


def test_a_search_that_ends_early_has_to_promise_clearly_more() -> None:
    """With a noise of 0.3 by 0.6; one that ends with its trainings by any."""
    early = dict(noise=0.3, rounds_per_training=2)
    promised = controlled(0.0, **early)[1].info['promised']
    assert promised is not None
    for options, lead, margin, learned in (
        (early, 0.5, 0.6, False),
        (early, 0.7, 0.6, True),
        (dict(noise=0.3), 0.01, 0.0, True),
    ):
        controller, result = controlled(promised - lead, **options)
        assert result.info['margin'] == pytest.approx(margin)
        assert result.updated is learned
        assert controller.learned([True], torch.zeros(1, 6)) is learned


def flat(control: float) -> tuple[SlopeSearch, RoundResult]:
    """A search whose replicas all end at 40, with a noise of 0.6."""
    controller = SlopeSearch(4, 1, 6, noise=0.6)
    controller.propose(LOSSES)
    metrics = torch.tensor([40.0] * 5 + [control]).double()
    return controller, controller.observe(metrics, None)


def test_a_start_that_beats_all_weights_1_is_learned_without_a_step() -> None:
    for control, learned in ((39.3, True), (39.5, False), (41.0, False)):
        controller, result = flat(control)
        assert not result.updated
        assert controller.learned([False], torch.zeros(1, 6)) is learned
        assert result.reason.endswith(
            '; it is used, since the replica with all weights 1 ended at '
            '39.3, below 40'
            if learned
            else 'all replicas around it ended at 40'
        )
        # Of which the weights are those of the start.
        shares = controller.ensemble().weights(1, 1, LOSSES) * LOSSES
        torch.testing.assert_close(shares, shares.mean().expand(4))


def test_the_control_has_no_part_in_the_step() -> None:
    # Nor has it where it is the worst and another one failed.
    for last in (32.0, math.nan):
        weights = [
            controlled(control, last)[0].ensemble().best_weights
            for control in (20.0, 60.0)
        ]
        assert torch.equal(*weights)


def test_a_search_of_before_the_control_goes_on_without_it() -> None:
    begun = search(num_replicas=5, centre=True)
    begun.propose(LOSSES)
    begun.observe(torch.arange(5.0), None)
    resumed = search(num_replicas=5, centre=True, control=True)
    resumed.load_state_dict(begun.state_dict())
    for controller in (begun, resumed):
        for _ in range(2):
            weights = controller.propose(LOSSES)
            result = controller.observe(torch.arange(5.0), None)
        assert not (weights == 1).all(1).any()
        assert 'control' not in result.info
    assert torch.equal(
        begun.ensemble().best_weights, resumed.ensemble().best_weights
    )
