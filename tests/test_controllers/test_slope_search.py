"""Whole trainings around a start, and a step up the slope between them.

Points and steps by hand, and by what they promise.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from mmada.controllers import RoundResult, SlopeSearch, WeightController
from mmada.controllers.base import Rest, Start
from mmada.controllers.slope_search import (
    confidence,
    design,
    mean_curvature,
    slope_at_middle,
    step_up,
    waves,
)
from mmada.testing import WeightControllerConformance
from mmada.testing.controllers import LOSSES as SUITE_LOSSES
from mmada.testing.controllers import play as play_rounds
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


class TestSlopeSearchWithoutCentrePoint(TestSlopeSearch):
    def build(self, **options: Any) -> WeightController:
        return SlopeSearch(centre=False, **options)


def search(**options: Any) -> SlopeSearch:
    """A search without a centre point, which the later tests add."""
    given = dict(num_objectives=4, num_rounds=3, num_replicas=4, centre=False)
    return SlopeSearch(**(given | options))


def test_too_few_replicas_are_named() -> None:
    with pytest.warns(UserWarning, match='at least 4, better 6, to tell the'):
        search(num_replicas=3)
    with pytest.warns(UserWarning, match='at least 5, better 7, to tell the'):
        search(num_replicas=4, centre=True)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        search(num_replicas=4)
        search(num_replicas=5, centre=True)


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
    assert 'ended at 0 to 3' in result.reason
    assert '`noise`, is 1e+06' in result.reason


def test_equal_metrics_are_called_equal() -> None:
    controller = search()
    for _ in range(3):
        controller.propose(LOSSES)
        result = controller.observe(torch.zeros(4), None)
    assert result.reason == (
        'the policy stays at its start: all replicas ended at 0'
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


SIZES = [(2, 1), (4, 3), (5, 4), (7, 3), (8, 3), (8, 4), (12, 4), (16, 10)]


@pytest.mark.parametrize(('count', 'size'), SIZES)
def test_the_design_is_orthogonal_in_all_directions(
    count: int, size: int
) -> None:
    points = design(count, size, Generator().manual_seed(0))
    assert torch.allclose(points.sum(0), torch.zeros(size).double())
    torch.testing.assert_close(
        points.T @ points / count, torch.eye(size).double()
    )


@pytest.mark.parametrize(('count', 'size'), SIZES)
def test_no_two_replicas_are_alike_and_none_is_far_out(
    count: int, size: int
) -> None:
    points = design(count, size, Generator().manual_seed(0))
    distances = torch.pdist(points)
    assert float(distances.min()) > 1.2
    # The mean of the squares is `size`; a lone wave swings by one more.
    assert float(points.norm(dim=1).max()) <= math.sqrt(size + 1) + 1e-9


@pytest.mark.parametrize(('count', 'size'), [(2, 1), (6, 3), (8, 3), (12, 4)])
def test_with_twice_as_many_each_has_one_opposite(
    count: int, size: int
) -> None:
    points = design(count, size, Generator().manual_seed(0))
    nearest = torch.cdist(points, -points).min(1).values
    torch.testing.assert_close(
        nearest, torch.zeros_like(nearest), atol=1e-6, rtol=0
    )
    # So a metric that is curved alone has no slope.
    curved = points.square() @ torch.arange(1.0, size + 1).double()
    assert float((points.T @ curved).abs().max()) < 1e-9


def test_four_waves_by_hand() -> None:
    root = math.sqrt(2)
    expected = [[root, 0, 1], [0, root, -1], [-root, 0, 1], [0, -root, -1]]
    torch.testing.assert_close(waves(4, 3), torch.tensor(expected).double())


def test_few_points_span_as_many_directions_as_they_can() -> None:
    points = design(3, 5, Generator().manual_seed(0))
    values = torch.linalg.svdvals(points)
    torch.testing.assert_close(
        values[:2], torch.full((2,), math.sqrt(3)).double()
    )
    assert torch.linalg.matrix_rank(points) == 2


def test_the_slope_of_a_plane_is_found() -> None:
    points = design(4, 3, Generator().manual_seed(0))
    truth = torch.tensor([2.0, 0.0, -1.0]).double()
    torch.testing.assert_close(
        slope_at_middle(points, 30 + points @ truth), truth
    )


def test_the_step_goes_as_far_as_the_points_were() -> None:
    points = design(4, 3, Generator().manual_seed(0))
    slope = torch.tensor([2.0, 0.0, -1.0]).double()
    torch.testing.assert_close(
        step_up(points, slope, 0.0), slope * math.sqrt(3 / 5)
    )
    for curvature in (0.0, 1.0):
        assert not step_up(points, torch.zeros(3).double(), curvature).any()


def test_the_step_goes_to_the_top_of_a_curved_response() -> None:
    points = design(6, 3, Generator().manual_seed(0))
    slope = torch.tensor([2.0, 0.0, -1.0]).double()
    metrics = 30 + points @ slope - 3 * points.square().sum(1)
    curvature = mean_curvature(points, metrics, torch.tensor([30.0]))
    assert curvature == pytest.approx(3)
    # Where g - 2 c u is zero.
    torch.testing.assert_close(
        step_up(points, slope_at_middle(points, metrics), curvature),
        slope / 6,
    )
    assert mean_curvature(points, metrics, torch.empty(0)) == 0


def test_noise_takes_confidence_away() -> None:
    points = design(4, 3, Generator().manual_seed(0))
    slope = torch.tensor([2.0, 0.0, 0.0]).double()
    # 1 - 3 noise^2 / (4 * 2^2)
    assert confidence(points, slope, 2.0) == pytest.approx(1 - 12 / 16)
    assert confidence(points, slope, 2.4) == 0
    assert confidence(points, slope, 0.0) == 1
    assert confidence(points, torch.zeros(3).double(), 0.0) == 0
