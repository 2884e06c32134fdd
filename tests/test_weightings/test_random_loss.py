from __future__ import annotations

import pytest
import torch

from mmada.weightings import RandomLossWeighting


def begun(seed: int = 0) -> RandomLossWeighting:
    weighting = RandomLossWeighting(seed)
    weighting.begin('abc')
    return weighting


def draws(weighting: RandomLossWeighting, count: int) -> torch.Tensor:
    return torch.stack([weighting.weights(k, count) for k in range(count)])


def test_a_softmax_of_normal_draws_of_mean_one() -> None:
    found = draws(begun(), 4000)
    torch.testing.assert_close(found.mean(1), torch.ones(4000).double())
    # Differences of log-weights are those of the normal draws: variance 2.
    logs = found.log()
    for i, j in ((0, 1), (1, 2)):
        difference = logs[:, i] - logs[:, j]
        assert abs(difference.mean()) < 0.1
        assert difference.std() == pytest.approx(2**0.5, rel=0.05)


def test_the_seed_decides() -> None:
    assert torch.equal(draws(begun(1), 3), draws(begun(1), 3))
    assert not torch.equal(draws(begun(1), 3), draws(begun(2), 3))


def test_a_stored_state_goes_on() -> None:
    whole = begun()
    draws(whole, 2)
    state = whole.state_dict()
    rest = draws(whole, 3)
    resumed = begun(seed=5)
    resumed.load_state_dict(state)
    assert torch.equal(draws(resumed, 3), rest)


def test_global_generators_have_no_part() -> None:
    before = torch.get_rng_state()
    draws(begun(), 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_seed() -> None:
    with pytest.raises(ValueError, match='`seed`.*-1'):
        RandomLossWeighting(-1)
