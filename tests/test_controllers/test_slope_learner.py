"""Climbing the slope of a metric."""

from __future__ import annotations

import pytest
import torch

from mmada.controllers import AdaSegment

LOSSES = torch.tensor([0.5, 0.1, 2.0, 1.0], dtype=torch.float64)


def search(rounds: int = 12, seed: int = 0, **options: float) -> AdaSegment:
    return AdaSegment(4, rounds, 4, preset='slope', seed=seed, **options)


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


def test_noise_carries_the_policy_nowhere() -> None:
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
