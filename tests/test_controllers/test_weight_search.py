"""What searches for weights share: start, groups, draws."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mmada.controllers import (
    AmLfs,
    BohbSearch,
    GridSearch,
    PopulationTraining,
    RandomSearch,
    RandomWeights,
    WeightController,
)
from mmada.controllers.weight_search import log_normal

LOSSES = torch.tensor([0.4, 0.1, 0.2, 0.4], dtype=torch.float64)
# (2.5, 10, 5, 2.5), of which the mean is 5
INVERSE = torch.tensor([0.5, 2.0, 1.0, 0.5], dtype=torch.float64)
GROUPS = [[0, 2], [3, 1]]
GROUP_OF = [0, 1, 0, 1]
METRICS = [[1.0, 4.0, 2.0], [5.0, 1.0, 3.0], [2.0, 2.5, 9.0]]
SEARCHES = [
    (PopulationTraining, {}),
    (AmLfs, {}),
    (RandomWeights, {}),
    (RandomSearch, {}),
    (BohbSearch, dict(rounds_per_training=1)),
]


def play(search: WeightController, losses: torch.Tensor) -> torch.Tensor:
    """Returns the weights of three rounds with losses that fall."""
    drawn = []
    for index, metrics in enumerate(METRICS):
        drawn.append(search.propose(losses * 0.5**index))
        search.observe(torch.tensor(metrics).double(), None)
    return torch.stack(drawn)


@pytest.mark.parametrize(('search', 'options'), SEARCHES)
def test_grouped_searches_are_those_of_their_factors(
    search: Any, options: dict[str, Any]
) -> None:
    """Two factors on inverse-loss weighting, as of a search of two."""
    if search is BohbSearch:
        pytest.importorskip('optuna')
    grouped = search(
        4, 3, 3, initial='inverse_loss', groups=GROUPS, seed=5, **options
    )
    factors = play(search(2, 3, 3, seed=5, **options), LOSSES[:2])
    expected = INVERSE * factors[..., GROUP_OF]
    found = play(grouped, LOSSES)
    if search in (BohbSearch, RandomSearch):  # weights of mean 1
        expected = expected / expected.mean(-1, keepdim=True)
    torch.testing.assert_close(found, expected)
    assert found.std(dim=1).min() > 0.01


@pytest.mark.parametrize(('search', 'options'), SEARCHES)
def test_searches_know_their_start_and_groups_again(
    search: Any, options: dict[str, Any]
) -> None:
    if search is BohbSearch:
        pytest.importorskip('optuna')
    given = dict(initial='inverse_loss', groups=GROUPS, seed=5, **options)
    first, second = search(4, 6, 3, **given), search(4, 6, 3, **given)
    play(first, LOSSES)
    second.load_state_dict(first.state_dict())
    assert torch.equal(play(second, LOSSES), play(first, LOSSES))
    found = first.ensemble().provenance['options']
    assert found['initial'] == 'inverse_loss'
    assert found['groups'] == GROUPS
    for changed in (dict(initial=None), dict(groups=None)):
        with pytest.raises(ValueError, match=f'{next(iter(changed))} was'):
            search(4, 6, 3, **given | changed).load_state_dict(
                first.state_dict()
            )


def test_a_grid_may_lie_around_inverse_loss_weighting() -> None:
    grid = GridSearch(
        4,
        2,
        2,
        groups=[[0], [1]],
        values=[[1.0, 2.0], [1.0, 3.0]],
        initial='inverse_loss',
    )
    assert grid.needs_losses
    weights = grid.propose(LOSSES)
    torch.testing.assert_close(weights[0], INVERSE)
    torch.testing.assert_close(
        weights[1], INVERSE * torch.tensor([1, 3, 1, 1])
    )
    grid.observe(torch.full((2,), math.nan), None)
    torch.testing.assert_close(grid.propose(LOSSES)[0], INVERSE)


@pytest.mark.parametrize('initial', ['inverse', 'ones', 3, [1.0]])
def test_a_start_that_is_none_is_refused(initial: Any) -> None:
    with pytest.raises(ValueError, match='`initial` should be'):
        PopulationTraining(4, 3, 3, initial=initial)


@pytest.mark.parametrize('groups', [[[0, 1, 2, 3]], [[0], [1]], [[0, 0], [1]]])
def test_groups_that_do_not_fit_are_refused(groups: Any) -> None:
    with pytest.raises(ValueError, match='`groups` should'):
        RandomSearch(4, 3, 3, groups=groups)


def test_draws_are_factors_on_the_centre() -> None:
    centre = torch.tensor([1.0, 4.0], dtype=torch.float64)
    draws = log_normal(centre, 0.3, 3, torch.Generator().manual_seed(5))
    noise = torch.randn(
        3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    torch.testing.assert_close(
        draws, torch.stack([math.e ** (0.3 * row) * centre for row in noise])
    )


def test_sigma_is_the_spread_of_the_logarithm() -> None:
    draws = log_normal(
        torch.tensor([0.5, 2.0], dtype=torch.float64),
        0.3,
        20_000,
        torch.Generator().manual_seed(0),
    )
    assert draws.log().std(0).tolist() == pytest.approx([0.3] * 2, rel=0.02)
    medians = draws.median(0).values.tolist()
    assert medians == pytest.approx([0.5, 2.0], rel=0.02)
