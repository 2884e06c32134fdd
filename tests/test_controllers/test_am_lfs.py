"""AM-LFS: the mean moves as REINFORCE and Adam say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mmada.controllers import AmLfs, Start

LOSSES = torch.tensor([0.4, 0.2], dtype=torch.float64)
NAN = float('nan')


def search(**changes: Any) -> AmLfs:
    options = dict(num_objectives=2, num_rounds=100, num_replicas=2)
    return AmLfs(**(options | changes))


def observe(controller: AmLfs, *metrics: float):
    return controller.observe(torch.tensor(metrics), None)


def test_rounds_go_on_from_the_best_replica() -> None:
    assert AmLfs.start is Start.BEST


def test_log_weights_are_drawn_around_the_mean() -> None:
    controller = search(initial=[2.0, 0.5], sigma=0.3, seed=8)
    noise = torch.randn(
        2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(8)
    )
    torch.testing.assert_close(
        controller.propose(LOSSES).log(),
        torch.tensor([2.0, 0.5]).double().log() + 0.3 * noise,
    )


def test_the_first_step_goes_towards_the_better_replica() -> None:
    controller = search(lr=0.05)
    logs = controller.propose(LOSSES).log()
    result = observe(controller, 1.0, 3.0)
    assert result.rewards.tolist() == pytest.approx([-1, 1])
    assert result.updated and result.best == 1
    # Adam's first step has the length of the learning rate.
    torch.testing.assert_close(
        controller.mean_weights.log(),
        0.05 * (logs[1] - logs[0]).sign(),
        rtol=1e-5,
        atol=0,
    )


class Adam:
    """Ascent after Kingma and Ba, written out."""

    def __init__(self, lr: float) -> None:
        self.lr, self.step = lr, 0
        self.mean: Tensor | float = 0.0
        self.square: Tensor | float = 0.0

    def __call__(self, gradient: Tensor) -> Tensor:
        self.step += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean = self.mean / (1 - 0.9**self.step)
        square = self.square / (1 - 0.999**self.step)
        return self.lr * mean / (square**0.5 + 1e-8)


def test_steps_of_reinforce_by_hand() -> None:
    controller = search(num_replicas=4, sigma=0.3, lr=0.02)
    mu, adam = torch.zeros(2, dtype=torch.float64), Adam(0.02)
    # of 1, 3 and 2: mean 2, variance 2 / 3; a failed one has -1
    high = 1.5**0.5
    for metrics, rewards in (
        ((1.0, 3.0, NAN, 2.0), (-high, high, -1.0, 0.0)),
        ((5.0, 5.0, 7.0, 7.0), (-1.0, -1.0, 1.0, 1.0)),
        ((NAN, 5.0, 7.0, NAN), (-1.0, -1.0, 1.0, -1.0)),
    ):
        logs = controller.propose(LOSSES).log()
        observe(controller, *metrics)
        # d log N(x; mu, s) / d mu = (x - mu) / s^2
        scores = (logs - mu) / 0.3**2
        weighted = torch.tensor(rewards).double().unsqueeze(1) * scores
        mu = mu + adam(weighted.mean(0))
        torch.testing.assert_close(controller.mean_weights.log(), mu)


def test_a_round_that_teaches_nothing_leaves_the_mean() -> None:
    controller = search()
    for metrics in ((4.0, 4.0), (NAN, 4.0), (NAN, NAN)):
        controller.propose(LOSSES)
        assert not observe(controller, *metrics).updated
        assert controller.mean_weights.tolist() == [1, 1]


def test_without_learning_rate_the_mean_stays() -> None:
    controller = search(lr=0)
    controller.propose(LOSSES)
    observe(controller, 1.0, 3.0)
    assert controller.mean_weights.tolist() == [1, 1]


def test_the_mean_finds_the_best_weights() -> None:
    star = torch.tensor([0.5, 2.0], dtype=torch.float64).log()
    for seed in range(3):
        controller = search(num_replicas=16, seed=seed)
        for _ in range(60):
            logs = controller.propose(LOSSES).log()
            controller.observe(-(logs - star).square().sum(-1), None)
        found = controller.mean_weights.log()
        assert (found - star).norm() < 0.2 < 0.9 < star.norm()


def test_the_ensemble_holds_the_mean_after_each_update() -> None:
    controller, means = search(), []
    for metrics in ((1.0, 3.0), (3.0, 1.0), (1.0, 3.0)):
        weights = controller.propose(LOSSES)
        result = observe(controller, *metrics)
        means.append(controller.mean_weights)
    ensemble = controller.ensemble()
    for epoch, mean in enumerate(means, 1):
        given = ensemble.weights(epoch, 3, LOSSES)
        torch.testing.assert_close(given, mean)
    assert torch.equal(ensemble.best_weights, weights[result.best])


@pytest.mark.parametrize(
    ('name', 'value'),
    [('sigma', 0), ('lr', -1), ('gamma', 0), ('initial', 3)],
)
def test_bad_options_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        search(**{name: value})
