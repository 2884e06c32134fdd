"""Random weights: where they are drawn from, and what is found or kept."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mmada.controllers import RandomSearch, RandomWeights, Rest, Start

LOSSES = torch.tensor([0.4, 0.2], dtype=torch.float64)
NAN = float('nan')


def search(**changes: Any) -> RandomSearch:
    options = dict(num_objectives=2, num_rounds=2, num_replicas=3)
    return RandomSearch(**(options | changes))


def test_every_candidate_is_a_training_of_its_own() -> None:
    assert RandomSearch.start is Start.INITIAL


def test_only_the_very_first_candidate_is_ones() -> None:
    controller = search()
    first = controller.propose(LOSSES)
    assert first[0].tolist() == [1, 1] and (first[1:] != 1).all()
    controller.observe(torch.tensor([1.0, 2.0, 3.0]), None)
    assert (controller.propose(LOSSES) != 1).all()


def test_a_first_round_that_failed_has_ones_again_and_other_draws() -> None:
    controller = search()
    first = controller.propose(LOSSES)
    controller.observe(torch.full((3,), NAN), None)
    second = controller.propose(LOSSES)
    assert second[0].tolist() == [1, 1]
    assert (second[1:] != first[1:]).all()


def test_draws_are_log_uniform() -> None:
    shares = torch.rand(
        3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(6)
    )
    controller = search(low=0.01, high=100.0, seed=6)
    # a share of one half is the geometric mean, here 1
    factors = 10 ** (4 * shares[1:] - 2)
    found = controller.propose(LOSSES)[1:]
    torch.testing.assert_close(found, 2 * factors / factors.sum(1)[:, None])
    many = search(low=0.5, high=8.0, num_replicas=20_000).propose(LOSSES)
    ratios = (many[:, 0] / many[:, 1]).log()
    # The difference of two uniform numbers has a sixth of the square of
    # their range as its variance.
    assert ratios.abs().max() <= math.log(16)
    assert float(ratios.var()) == pytest.approx(
        math.log(16) ** 2 / 6, rel=0.03
    )


def test_the_mean_is_that_of_the_initial_weights() -> None:
    drawn = search(initial=[4.0, 0.5], num_replicas=5).propose(LOSSES)
    assert drawn[0].tolist() == pytest.approx([4, 0.5])
    assert drawn.mean(1).tolist() == pytest.approx([2.25] * 5)


def test_what_is_found_around_inverse_loss_fits_other_scales() -> None:
    """Inverse losses of 0.4 and 0.2 have the weights 2/3 and 4/3."""
    controller = search(initial='inverse_loss')
    drawn = controller.propose(LOSSES)
    assert drawn[0].tolist() == pytest.approx([2 / 3, 4 / 3])
    controller.observe(torch.tensor([1.0, 2.0, 1.5]), None)
    ensemble = controller.ensemble()
    weights = ensemble.weights(1, 12, LOSSES)
    torch.testing.assert_close(weights, drawn[1])
    # The share of each loss in the weighted sum stays.
    others = torch.tensor([0.4, 1.6], dtype=torch.float64)
    shares = ensemble.weights(1, 12, others) * others
    expected = drawn[1] * LOSSES
    torch.testing.assert_close(
        shares / shares.sum(), expected / expected.sum()
    )


def test_a_start_of_equal_weights_is_inverse_loss_weighting() -> None:
    """Without a control no other candidate has all weights 1."""
    controller = search(initial='inverse_loss')
    controller.propose(torch.ones(2))
    controller.observe(torch.tensor([3.0, 2.0, 1.5]), None)
    ensemble = controller.ensemble()
    assert ensemble.best_weights.tolist() == [1, 1]
    expected = torch.tensor([2 / 3, 4 / 3], dtype=torch.float64)
    torch.testing.assert_close(ensemble.weights(1, 12, LOSSES), expected)


def test_what_is_found_around_inverse_loss_knows_no_floor() -> None:
    """A weight below the floor trains at it; its factor stays as drawn."""
    losses = torch.tensor([500.0, 1.0, 0.05], dtype=torch.float64)
    controller = search(
        num_objectives=3, initial='inverse_loss', groups=[[0, 1], [2]]
    )
    trained = controller.propose(losses)
    assert trained[0, 0] == 1e-3
    controller.observe(torch.tensor([2.0, 1.0, 1.5]), None)
    ensemble = controller.ensemble()
    torch.testing.assert_close(ensemble.weights(1, 12, losses), trained[0])
    assert torch.equal(ensemble.best_weights, trained[0])
    # It is the start, which is inverse-loss weighting elsewhere, too.
    others = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    shares = ensemble.weights(1, 12, others) * others
    torch.testing.assert_close(shares, shares.mean().expand(3))


def test_weights_of_another_mean_are_found_as_such() -> None:
    """Those of a search that an earlier version began."""
    controller = search(initial='inverse_loss')
    controller.propose(LOSSES)
    controller.observe(torch.tensor([1.0, 2.0, 1.5]), None)
    state = controller.state_dict()
    earlier = torch.tensor([0.5, 9.0], dtype=torch.float64)
    state['memory']['best']['action'] = earlier
    controller.load_state_dict(state)
    found = controller.ensemble().weights(1, 12, LOSSES)
    torch.testing.assert_close(found, earlier)


def test_all_weights_1_are_found_as_such() -> None:
    controller = search(initial='inverse_loss', control=True)
    controller.propose(LOSSES)
    controller.observe(torch.tensor([1.0, 2.0, 3.0]), None)
    others = torch.tensor([0.4, 1.6], dtype=torch.float64)
    assert controller.ensemble().weights(1, 12, others).tolist() == [1, 1]


def test_the_best_candidate_of_all_rounds_is_found() -> None:
    controller = search()
    first = controller.propose(LOSSES)
    controller.observe(torch.tensor([3.0, NAN, 9.0]), None)
    controller.propose(LOSSES)
    controller.observe(torch.tensor([4.0, 8.0, NAN]), None)
    ensemble = controller.ensemble()
    assert torch.equal(ensemble.best_weights, first[2])
    assert ensemble.num_rounds == 1 and controller.best_metric == 9


def test_trainings_of_two_rounds_are_judged_by_the_second() -> None:
    """Weights stay; a replica that fails rests until others begin."""
    controller = search(num_rounds=4, rounds_per_training=2)
    first = controller.propose(LOSSES)
    assert controller.start is Start.OWN
    assert controller.plan() == (Start.INITIAL,) * 3
    controller.observe(torch.tensor([9.0, NAN, 2.0]), None)
    assert torch.equal(controller.ensemble().best_weights, first[0])
    assert torch.equal(controller.propose(LOSSES), first)
    assert controller.plan() == (Start.OWN, Rest.EMPTY, Start.OWN)
    controller.observe(torch.tensor([3.0, NAN, 4.0]), None)
    assert torch.equal(controller.ensemble().best_weights, first[2])
    second = controller.propose(LOSSES)
    assert (second != first).all()
    assert controller.plan() == (Start.INITIAL,) * 3
    controller.observe(torch.tensor([8.0, 8.0, 8.0]), None)
    assert controller.best_metric == 4
    controller.propose(LOSSES)
    controller.observe(torch.tensor([3.0, 5.0, 1.0]), None)
    assert torch.equal(controller.ensemble().best_weights, second[1])
    assert controller.best_metric == 5


def learned(metrics: list[list[float]], **changes: Any) -> bool:
    """Whether a search whose trainings take two rounds learned anything."""
    controller = search(
        num_rounds=len(metrics), rounds_per_training=2, **changes
    )
    for row in metrics:
        controller.propose(LOSSES)
        controller.observe(torch.tensor(row), None)
    rows = torch.tensor(metrics, dtype=torch.float64)
    return controller.learned([True] * len(rows), rows)


def test_a_metric_that_rises_within_trainings_alone_says_nothing() -> None:
    equal, higher = [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]
    assert not learned([equal, higher])
    assert not learned([[1.0, 2.0, 3.0], higher])
    assert not learned([[1.0, NAN, NAN], [2.0, NAN, NAN]])
    assert not learned([equal, higher, equal, higher])
    assert learned([equal, [2.0, 3.0, 2.0]])
    assert learned([equal, higher, equal, [3.0, 3.0, 3.0]])


def test_trainings_that_have_not_ended_are_judged_by_the_last_round() -> None:
    assert learned([[1.0, 1.0, 2.0]])
    assert not learned([[1.0, 1.0, 1.0]])


def test_trainings_that_all_fail_leave_what_was_found_before() -> None:
    """They would fail again: a segment is the same each time."""
    controller = search(num_rounds=6, rounds_per_training=2)
    for row in ([1.0, 1.0, 1.0], [1.0, 3.0, 2.0], [4.0, NAN, 4.0]):
        controller.propose(LOSSES)
        controller.observe(torch.tensor(row), None)
    assert not controller.finished
    controller.propose(LOSSES)
    controller.observe(torch.full((3,), NAN), None)
    assert controller.finished
    resumed = search(num_rounds=6, rounds_per_training=2)
    resumed.load_state_dict(controller.state_dict())
    assert resumed.finished and resumed.best_metric == 3


def test_further_trainings_that_fail_at_once_begin_with_other_weights() -> (
    None
):
    controller = search(num_rounds=4, rounds_per_training=2)
    for row in ([1.0, 1.0, 1.0], [1.0, 3.0, 2.0]):
        controller.propose(LOSSES)
        controller.observe(torch.tensor(row), None)
    first = controller.propose(LOSSES)
    controller.observe(torch.full((3,), NAN), None)
    assert not controller.finished
    assert (controller.propose(LOSSES) != first).all()
    assert controller.plan() == (Start.INITIAL,) * 3


def test_the_first_trainings_are_tried_again_where_all_fail() -> None:
    controller = search(num_rounds=4, rounds_per_training=2)
    weights = controller.propose(LOSSES)
    controller.observe(torch.tensor([1.0, NAN, 2.0]), None)
    controller.propose(LOSSES)
    controller.observe(torch.full((3,), NAN), None)
    assert not controller.finished
    assert torch.equal(controller.propose(LOSSES), weights)
    assert controller.plan() == (Start.OWN, Rest.EMPTY, Start.OWN)


def test_trainings_that_do_not_fit_do_not_begin() -> None:
    controller = search(num_rounds=5, rounds_per_training=2)
    ended = []
    for _ in range(4):
        controller.propose(LOSSES)
        controller.observe(torch.tensor([1.0, 2.0, 3.0]), None)
        ended.append(controller.finished)
    assert ended == [False, False, False, True]


def test_a_search_that_ends_early_finds_the_best_of_its_last_round() -> None:
    controller = search(num_rounds=2, rounds_per_training=4)
    weights = controller.propose(LOSSES)
    controller.observe(torch.tensor([9.0, 2.0, 3.0]), None)
    assert not controller.finished
    controller.propose(LOSSES)
    controller.observe(torch.tensor([1.0, 2.0, 3.0]), None)
    assert torch.equal(controller.ensemble().best_weights, weights[2])


def test_a_schedule_is_as_long_as_a_training() -> None:
    assert RandomSearch.training_rounds(6, {}) == 1
    assert RandomSearch.training_rounds(6, dict(rounds_per_training=3)) == 3


def test_a_control_has_all_weights_1() -> None:
    controller = search(initial=[4.0, 0.5], control=True)
    drawn = controller.propose(LOSSES)
    assert drawn[0].tolist() == pytest.approx([4, 0.5])
    assert drawn[2].tolist() == [1, 1]
    alike = search(control=True).propose(LOSSES)
    assert torch.equal(alike, search().propose(LOSSES))
    plain = search(initial=[4.0, 0.5])
    assert torch.equal(drawn[1], plain.propose(LOSSES)[1])
    controller.observe(torch.tensor([1.0, 2.0, 3.0]), None)
    assert controller.ensemble().best_weights.tolist() == [1, 1]
    assert (controller.propose(LOSSES)[2] != 1).all()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(rounds_per_training=0), '`rounds_per_training` should be'),
        (dict(control='no'), '`control` should be'),
        (
            dict(initial='inverse_loss', control=True, num_replicas=1),
            '`num_replicas` should be',
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        search(**changes)


@pytest.mark.parametrize(
    ('name', 'value'),
    [('low', 0.0), ('low', 20.0), ('high', 0.1), ('high', 'x')],
)
def test_bad_options_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match='`(low|high)` should be a finite'):
        search(**{name: value})


def random_weights(**changes: Any) -> RandomWeights:
    options = dict(num_objectives=2, num_rounds=3, num_replicas=3)
    return RandomWeights(**(options | changes))


def play(controller: RandomWeights, *best: int) -> list[torch.Tensor]:
    """Weights of each round, of which replica `best` wins."""
    rounds = []
    for winner in best:
        rounds.append(controller.propose(LOSSES))
        controller.observe(
            torch.tensor([float(k == winner) for k in range(3)]), None
        )
    return rounds


def test_rounds_go_on_from_the_best_replica() -> None:
    assert RandomWeights.start is Start.BEST


def test_draws_lie_around_the_initial_weights() -> None:
    (weights,) = play(random_weights(initial=[2.0, 0.5], sigma=0.4, seed=9), 0)
    noise = torch.randn(
        3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(9)
    )
    torch.testing.assert_close(
        weights.log(), torch.tensor([2.0, 0.5]).double().log() + 0.4 * noise
    )


def test_winners_change_nothing() -> None:
    first, second = (
        play(random_weights(), 0, 0, 0),
        play(random_weights(), 2, 1, 1),
    )
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours, theirs)


def test_every_round_is_drawn_anew() -> None:
    first, second, third = play(random_weights(), 0, 0, 0)
    assert (first != second).all() and (second != third).all()


def test_the_ensemble_replays_the_winners() -> None:
    controller = random_weights()
    rounds = play(controller, 2, 0, 1)
    ensemble = controller.ensemble()
    for epoch, winner in enumerate((2, 0, 1), 1):
        torch.testing.assert_close(
            ensemble.weights(epoch, 3, LOSSES), rounds[epoch - 1][winner]
        )
    assert torch.equal(ensemble.best_weights, rounds[2][1])


@pytest.mark.parametrize(
    ('name', 'value'), [('sigma', 0), ('gamma', 2), ('initial', 1.0)]
)
def test_bad_options_of_random_weights_are_refused(
    name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        random_weights(**{name: value})
