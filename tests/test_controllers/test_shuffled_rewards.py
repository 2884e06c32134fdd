"""The control that learns noise: what the inner controller gets to see."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mmada.controllers import (
    AmLfs,
    RandomSearch,
    RoundResult,
    ShuffledRewards,
)

LOSSES = torch.tensor([0.4, 0.2], dtype=torch.float64)
NAN = float('nan')


class Witness(AmLfs):
    """Keeps what it is told, and may have enough."""

    finished = False

    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        self.seen = metrics.clone(), reference
        return super().observe(metrics, reference)


def search(**changes: Any) -> ShuffledRewards:
    inner = Witness(num_objectives=2, num_rounds=50, num_replicas=5)
    return ShuffledRewards(inner, **changes)


def rounds(controller: ShuffledRewards, count: int) -> list[list[float]]:
    """The order in which the metrics arrive inside, round by round."""
    orders = []
    for _ in range(count):
        controller.propose(LOSSES)
        controller.observe(torch.arange(5.0), 2.5)
        orders.append(controller._inner.seen[0].tolist())
    return orders


def test_the_inner_controller_sees_all_metrics_in_another_order() -> None:
    controller = search()
    orders = rounds(controller, 50)
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    assert len(set(map(tuple, orders))) > 30
    # no replica's metric is more likely at one place than at another
    first = [order[0] for order in orders]
    assert all(3 <= first.count(value) <= 20 for value in range(5))
    assert controller._inner.seen[1] == 2.5


def test_a_failed_replica_keeps_its_place() -> None:
    controller = search()
    for _ in range(10):
        controller.propose(LOSSES)
        result = controller.observe(torch.tensor([1, NAN, 3, NAN, 2.0]), None)
        seen = controller._inner.seen[0]
        assert seen.isnan().tolist() == [False, True, False, True, False]
        assert sorted(seen[~seen.isnan()].tolist()) == [1, 2, 3]
        assert result.best == 2


def test_rewards_are_those_that_were_learned_from() -> None:
    controller = search()
    for _ in range(5):
        controller.propose(LOSSES)
        result = controller.observe(torch.arange(5.0), None)
        seen = controller._inner.seen[0]
        # 0 to 4: mean 2, variance 2
        assert result.rewards.tolist() == pytest.approx(
            ((seen - 2) / 2**0.5).tolist()
        )


def test_the_true_winner_is_handed_out() -> None:
    controller = search()
    for best in (3, 0, 4, 1):
        weights = controller.propose(LOSSES)
        metrics = torch.tensor([float(k == best) for k in range(5)])
        assert controller.observe(metrics, None).best == best
        ensemble = controller.ensemble()
        assert torch.equal(ensemble.best_weights, weights[best])


def test_the_policies_are_the_inner_ones() -> None:
    controller = search()
    rounds(controller, 3)
    ours, inner = controller.ensemble(), controller._inner.ensemble()
    assert ours.num_rounds == 3
    assert torch.equal(ours.last_weights(LOSSES), inner.last_weights(LOSSES))
    assert ours.provenance == inner.provenance | dict(
        control='ShuffledRewards', shuffle_seed=1
    )


def test_the_inner_controller_says_when_to_stop() -> None:
    controller = search()
    assert not controller.finished
    controller._inner.finished = True
    assert controller.finished


def test_the_seed_decides_the_order() -> None:
    assert rounds(search(), 5) == rounds(search(), 5)
    assert rounds(search(), 5) != rounds(search(seed=2), 5)


def test_another_seed_is_another_search() -> None:
    with pytest.raises(ValueError, match='shuffle_seed was 1 and is 2'):
        search(seed=2).load_state_dict(search().state_dict())


def test_controllers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match='`controller`.*RandomSearch'):
        ShuffledRewards(RandomSearch(2, 3, 4))
    with pytest.raises(ValueError, match='`controller`.*dict'):
        ShuffledRewards(dict(type='AdaSegment'))  # type: ignore
    with pytest.raises(ValueError, match='`seed`.*-1'):
        search(seed=-1)
