"""Random static weights: where they are drawn from, and what is found."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mmada.controllers import RandomSearch, Start

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
    torch.testing.assert_close(
        controller.propose(LOSSES)[1:], 10 ** (4 * shares[1:] - 2)
    )
    many = search(low=0.5, high=8.0, num_replicas=20_000).propose(LOSSES)
    assert many.min() >= 0.5 and many.max() <= 8
    below = (many < 0.5 * math.sqrt(8 / 0.5)).double().mean()
    assert float(below) == pytest.approx(0.5, abs=0.02)


def test_the_best_candidate_of_all_rounds_is_found() -> None:
    controller = search()
    first = controller.propose(LOSSES)
    controller.observe(torch.tensor([3.0, NAN, 9.0]), None)
    controller.propose(LOSSES)
    controller.observe(torch.tensor([4.0, 8.0, NAN]), None)
    ensemble = controller.ensemble()
    assert torch.equal(ensemble.best_weights, first[2])
    assert ensemble.num_rounds == 1 and controller.best_metric == 9


@pytest.mark.parametrize(
    ('name', 'value'),
    [('low', 0.0), ('low', 20.0), ('high', 0.1), ('high', 'x')],
)
def test_bad_options_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match='`(low|high)` should be a finite'):
        search(**{name: value})
