"""Climbing the slope of a metric, and its regression on the actions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mmada.controllers import AdaSegment
from mmada.controllers.ada_segment.slope_learner import PRIOR_SCALES, fit_slope

LOSSES = torch.tensor([0.5, 0.1, 2.0, 1.0], dtype=torch.float64)


def search(rounds: int = 12, seed: int = 0, **options: Any) -> AdaSegment:
    return AdaSegment(4, rounds, 4, seed=seed, **dict(start=1.0) | options)


def play(controller: AdaSegment, noise: float, rounds: int) -> list[dict]:
    """Plays rounds whose metric is the log-weight of the last objective."""
    generator = torch.Generator().manual_seed(5)
    infos = []
    for _ in range(rounds):
        weights = controller.propose(LOSSES)
        errors = torch.randn(4, dtype=torch.float64, generator=generator)
        infos.append(
            controller.observe(weights[:, 3].log() + noise * errors, None).info
        )
    return infos


def share(controller: AdaSegment) -> float:
    policy = controller.ensemble().policies[-1]
    with torch.no_grad():
        weights = policy.weights(LOSSES) * LOSSES
    return float(weights[3] / weights.sum())


def test_weighs_up_what_the_metric_wants() -> None:
    controller = search()
    play(controller, 0.1, 6)
    assert share(controller) > 0.5  # 0.25 at the start


def test_a_step_stays_within_the_limit() -> None:
    controller = search(kl_limit=0.5)
    infos = play(controller, 0.0, 6)
    assert all(0 < info['kl'] <= 0.5 + 1e-9 for info in infos)
    assert infos[0]['kl'] < infos[1]['kl']  # more is known by then


def test_no_slope_carries_the_policy_beyond_the_radius() -> None:
    controller = search(rounds=60, radius=0.5)
    play(controller, 0.0, 60)
    policy = controller.ensemble().policies[-1]
    assert 0.4 < float(policy.bias.norm()) <= 0.5 + 1e-6


def test_noise_carries_the_policy_nowhere_in_particular() -> None:
    shares = []
    for seed in range(10):
        controller = search(seed=seed)
        play(controller, 1000.0, 12)
        shares.append(share(controller))
    assert 0.15 < sum(shares) / len(shares) < 0.35


def test_without_a_limit_nothing_is_learned() -> None:
    controller = search(kl_limit=0.0)
    play(controller, 0.0, 3)
    assert share(controller) == pytest.approx(0.25)


def test_groups_are_weighed_up_together() -> None:
    controller = search(groups=[[0, 1], [2, 3]])
    play(controller, 0.0, 6)
    policy = controller.ensemble().policies[-1]
    with torch.no_grad():
        products = (policy.weights(LOSSES) * LOSSES).tolist()
    assert products[2] == pytest.approx(products[3])
    assert products[0] == pytest.approx(products[1])
    assert products[3] > 2 * products[0]


def test_recovery_goes_back_and_forgets() -> None:
    controller = search()
    play(controller, 0.1, 3)
    before = controller.ensemble().policies[1].state_dict()
    controller.propose(LOSSES)
    controller.observe(torch.full((4,), torch.nan), None)
    state = controller.state_dict()['memory']
    # The step after the third round led to the dead one.
    assert torch.equal(state['policy']['bias'], before['bias'])
    assert state['learner']['values'] == state['learner']['offsets'] == []


def test_the_state_holds_each_round_and_the_way_back() -> None:
    controller = search()
    play(controller, 0.1, 3)
    state = controller.state_dict()['memory']['learner']
    assert [tuple(x.shape) for x in state['offsets']] == [(4, 4)] * 3
    assert [tuple(x.shape) for x in state['values']] == [(4,)] * 3
    before = controller.ensemble().policies[1].state_dict()
    assert torch.equal(state['last_good']['bias'], before['bias'])


def test_older_rounds_count_less() -> None:
    shares = []
    for discount in (0.1, 1.0):
        controller = search(discount=discount, kl_limit=0.5)
        for sign in (1, 1, 1, -1, -1, -1):  # the metric turns round
            weights = controller.propose(LOSSES)
            controller.observe(sign * weights[:, 3].log(), None)
        shares.append(share(controller))
    assert shares[0] < shares[1]


def test_a_failed_replica_counts_as_a_bad_one() -> None:
    controller = search()
    actions = controller.propose(LOSSES)
    # Its mirror image has the mean: the failure alone speaks against it.
    metrics = torch.tensor([torch.nan, 5.0, 4.0, 6.0]).double()
    assert controller.observe(metrics, None).updated
    policy = controller.ensemble().policies[0]
    with torch.no_grad():
        step = policy(LOSSES) + LOSSES.log() - LOSSES.log().mean()
    failed = (actions[0] * LOSSES).log()
    assert float(step @ (failed - failed.mean())) < 0


@pytest.mark.parametrize('num_replicas', [1, 2, 3])
@pytest.mark.parametrize('num_objectives', [2, 12])
def test_few_replicas(num_objectives: int, num_replicas: int) -> None:
    controller = AdaSegment(num_objectives, 4, num_replicas)
    losses = torch.linspace(0.1, 1.0, num_objectives)
    updated = []
    for _ in range(4):
        weights = controller.propose(losses)
        metrics = weights[:, 0].log() if num_replicas > 1 else weights[:, 0]
        updated.append(controller.observe(metrics, None).updated)
    assert updated == [num_replicas > 1] * 4
    first, *_, last = controller.ensemble().policies
    gain = (last.weights(losses) / first.weights(losses))[0].item()
    assert gain > 1 if num_replicas > 1 else gain == 1


def data(
    noise: float, count: int = 40, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    offsets = torch.randn(count, 3, dtype=torch.float64, generator=generator)
    truth = torch.tensor([2.0, 0.0, -1.0], dtype=torch.float64)
    errors = torch.randn(count, dtype=torch.float64, generator=generator)
    return offsets, offsets @ truth + noise * errors, truth


def test_the_fit_finds_the_slope_of_clean_metrics() -> None:
    offsets, values, truth = data(1e-6)
    slope = fit_slope(offsets, values, torch.ones(40).double(), 1)
    torch.testing.assert_close(slope.mean, truth, atol=2e-3, rtol=0)
    assert slope.confidence > 0.99


def test_the_fit_is_what_ridge_regression_says_at_the_likeliest_scale() -> (
    None
):
    offsets, values, _ = data(0.5)
    slope = fit_slope(offsets, values, torch.ones(40).double(), 1)
    # The largest candidate explains slopes of four noises best by far.
    ridge = torch.linalg.solve(
        offsets.T @ offsets + torch.eye(3).double() / PRIOR_SCALES[-1] ** 2,
        offsets.T @ values,
    )
    torch.testing.assert_close(slope.mean, ridge, atol=0.01, rtol=0.01)


@pytest.mark.parametrize(('count', 'num_rounds'), [(9, 2), (4, 2), (2, 1)])
def test_the_fit_is_the_average_over_sizes_by_their_evidence(
    count: int, num_rounds: int
) -> None:
    offsets, values, _ = data(2.0, count)
    weights = torch.linspace(0.5, 1, count).double()
    freedom = count - num_rounds
    evidence, means, squares = [], [], []
    for scale in PRIOR_SCALES:
        # In the space of the metrics: their covariance over s^2.
        prior = scale**2 * offsets.T
        inverse = torch.linalg.inv(
            weights.reciprocal().diag() + offsets @ prior
        )
        rest = values @ inverse @ values
        evidence.append(0.5 * inverse.logdet() - 0.5 * freedom * rest.log())
        mean = prior @ inverse @ values
        trace = 3 * scale**2 - (prior @ inverse @ prior.T).trace()
        means.append(mean)
        squares.append(mean @ mean + rest / max(freedom - 2, 1) * trace)
    shares = torch.stack(evidence).softmax(0)
    mean = shares @ torch.stack(means)
    slope = fit_slope(offsets, values, weights, num_rounds)
    torch.testing.assert_close(slope.mean, mean)
    expected = mean @ mean / (shares @ torch.stack(squares))
    assert slope.confidence == pytest.approx(float(expected))


def test_noise_alone_leaves_little_confidence() -> None:
    found = []
    for seed in range(40):
        offsets, _, _ = data(1.0, 12, seed)
        generator = torch.Generator().manual_seed(100 + seed)
        noise = torch.randn(12, dtype=torch.float64, generator=generator)
        weights = torch.ones(12).double()
        found.append(fit_slope(offsets, noise, weights, 3).confidence)
    assert sum(found) / len(found) < 0.15


def test_equal_metrics_say_nothing() -> None:
    offsets, _, _ = data(1.0)
    zeros, ones = torch.zeros(40).double(), torch.ones(40).double()
    slope = fit_slope(offsets, zeros, ones, 1)
    assert slope.confidence == 0
    assert not slope.mean.any()


def test_a_weight_of_two_is_the_same_row_twice() -> None:
    offsets, values, _ = data(1.0, 10)
    weights = torch.ones(10).double()
    weights[0] = 2
    again = torch.cat([offsets, offsets[:1]])
    twice = fit_slope(
        again, torch.cat([values, values[:1]]), torch.ones(11).double(), 2
    )
    # As many degrees of freedom: ten rows of one round, eleven of two.
    once = fit_slope(offsets, values, weights, 1)
    torch.testing.assert_close(once.mean, twice.mean)
    assert abs(once.confidence - twice.confidence) < 1e-9


def test_the_unit_of_the_metric_does_not_matter() -> None:
    offsets, values, _ = data(1.0, 10)
    weights = torch.ones(10).double()
    one = fit_slope(offsets, values, weights, 1)
    hundred = fit_slope(offsets, 100 * values, weights, 1)
    torch.testing.assert_close(100 * one.mean, hundred.mean)
    assert abs(one.confidence - hundred.confidence) < 1e-9
