from __future__ import annotations

from typing import Any

import pytest
import torch

from mmada.controllers import PRESETS, AdaSegment, preset_options

SIZE = dict(num_objectives=4, num_rounds=6, num_replicas=4)


def test_the_paper_preset_has_the_papers_numbers() -> None:
    assert preset_options('paper') == dict(
        hidden=16,
        init_std=0.01,
        sigma=0.2,
        reward='full',
        lr=0.05,
        weight_decay=5e-4,
        noise_floor=0.0,
        floor=1e-3,
        gamma=0.9,
    )


@pytest.mark.parametrize('preset', PRESETS)
def test_every_option_is_checked_by_name(preset: str) -> None:
    for name in preset_options(preset):
        with pytest.raises(ValueError, match=f'`{name}`.*-7'):
            AdaSegment(preset=preset, **SIZE, **{name: -7})


@pytest.mark.parametrize('preset', PRESETS)
def test_every_default_may_be_written_out(preset: str) -> None:
    AdaSegment(preset=preset, **SIZE, **preset_options(preset))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(preset='fast'), "`preset`.*'paper', 'stable'.*'fast'"),
        (dict(sigme=0.1), "Unknown option 'sigme' of preset 'stable'.*sigma"),
        (dict(preset='paper', start=1), "Unknown option 'start'"),
        (dict(preset='paper', reward='x'), "`reward`.*'full', 'local'.*'x'"),
        (dict(generator=1), "Unknown option 'generator'"),
    ],
)
def test_unknown_names(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaSegment(**SIZE, **options)


def test_options_reach_the_search_and_its_provenance() -> None:
    controller = AdaSegment(**SIZE, sigma=0.25, start=0.5)
    state = controller.state_dict()
    assert state['identity']['options']['sigma'] == 0.25
    assert float(state['policy']['exponent']) == 0.5


def test_the_papers_reward_with_and_without_the_gain_over_a_round() -> None:
    losses = torch.tensor([0.2, 0.3, 0.25, 0.2])
    rewards = []
    for name in ('full', 'local'):
        controller = AdaSegment(preset='paper', reward=name, seed=1, **SIZE)
        assert (controller.propose(losses) > 0.01).all()
        metrics = torch.tensor([1.0, 3.0, 1.0, 3.0])
        rewards.append(controller.observe(metrics, 1.0).rewards.tolist())
    # t / T = 1 / 6, r_local = -1 or 1, r_imp = 0 or 2
    assert rewards[0] == pytest.approx([-1 / 6, 3 / 6, -1 / 6, 3 / 6])
    assert rewards[1] == pytest.approx([-1 / 6, 1 / 6, -1 / 6, 1 / 6])
