from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from mmada.controllers import (
    PRESETS,
    AdaSegment,
    ShuffledRewards,
    SlopeSearch,
    preset_options,
)

ROOT = Path(__file__).resolve().parents[3]
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
        updates_per_round=20,
        first_reference='start',
    )


@pytest.mark.parametrize('preset', PRESETS)
def test_every_option_is_checked_by_name(preset: str) -> None:
    for name in preset_options(preset):
        with pytest.raises(ValueError, match=f'`{name}`.*-7'):
            AdaSegment(preset=preset, **SIZE, **{name: -7})


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        ('kl_limit', -0.1, r'of at least 0'),
        ('radius', 0, r'above 0'),
        ('discount', 0, r'\(0, 1\]'),
        ('discount', 1.1, r'\(0, 1\]'),
        ('start', 1.5, r'\[0, 1\]'),
        ('start', None, r'\[0, 1\]'),
        ('sigma', 0, r'above 0'),
        ('groups', [[0, 1], [2]], 'each objective from 0 to 3'),
        ('groups', 'halves', 'lists of different indices below 4'),
    ],
)
def test_options_of_stable_are_refused_with_what_was_expected(
    name: str, value: Any, expected: str
) -> None:
    found = re.escape(repr(value))
    with pytest.raises(ValueError, match=f'`{name}`.*{expected}.*{found}'):
        AdaSegment(**SIZE, **{name: value})


@pytest.mark.parametrize('preset', PRESETS)
def test_every_default_may_be_written_out(preset: str) -> None:
    AdaSegment(preset=preset, **SIZE, **preset_options(preset))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(preset='fast'), "`preset`.*'paper', 'stable'.*'fast'"),
        (dict(preset=['paper']), r"`preset`.*'stable'.*\['paper'\]"),
        (dict(sigme=0.1), "Options of preset 'stable'.*sigma.*'sigme'"),
        (dict(preset='paper', start=1), "'paper'.*Found \\['start'\\]"),
        (dict(preset='paper', reward='x'), "`reward`.*'full', 'local'.*'x'"),
        (dict(preset='paper', reward=['x']), r"`reward`.*'full'.*\['x'\]"),
        (
            dict(preset='paper', first_reference='end'),
            "`first_reference`.*'start', 'pseudo', 'zero', 'none'.*'end'",
        ),
        (dict(generator=1), "Found \\['generator'\\]"),
    ],
)
def test_unknown_names(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdaSegment(**SIZE, **options)


def test_options_reach_the_search_and_its_provenance() -> None:
    controller = AdaSegment(**SIZE, sigma=0.25, start=0.5)
    options = controller.state_dict()['identity']['options']
    assert options == preset_options('stable') | dict(sigma=0.25, start=0.5)
    controller.propose(torch.ones(4))
    controller.observe(torch.arange(4.0), None)
    (policy,) = controller.ensemble().policies
    assert policy.spec()['start'] == 0.5


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


def test_what_the_first_round_is_compared_with() -> None:
    assert AdaSegment(**SIZE).first_reference == 'pseudo'
    assert AdaSegment(preset='paper', **SIZE).first_reference == 'start'
    inner = AdaSegment(preset='paper', first_reference='zero', **SIZE)
    assert ShuffledRewards(inner).first_reference == 'zero'


def documented(page: str) -> list[tuple[str, str]]:
    """Options and defaults in the table of a method's page."""
    text = (ROOT / 'docs/methods' / page).read_text()
    return re.findall(r'^\| `(\w+)` +\| +([\w.]+) \|', text, re.MULTILINE)


def test_the_documents_name_every_option_of_stable_and_its_default() -> None:
    options = preset_options('stable')
    expected = [(name, str(value)) for name, value in options.items()]
    assert documented('ada_segment.md') == expected


def test_the_documents_name_every_option_of_slope_search() -> None:
    parameters = inspect.signature(SlopeSearch).parameters
    options = {name: p.default for name, p in parameters.items()}
    for name in ('num_objectives', 'num_rounds', 'num_replicas', 'seed'):
        del options[name]
    expected = [(name, str(value)) for name, value in options.items()]
    assert documented('slope_search.md') == expected
