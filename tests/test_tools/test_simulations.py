"""Simulated searches: the worlds by hand, and what the tables say."""

from __future__ import annotations

import pytest
import torch

from tests.support.scripts import load

ada = load('benchmarks/simulate_ada_segment.py')
slope = load('benchmarks/simulate_slope_search.py')


def test_gain_is_0_at_the_start_and_1_at_the_optimum() -> None:
    for near_ones in (False, True):
        generator = torch.Generator().manual_seed(1)
        response = ada.Response(generator, near_ones)
        inverse = 1 / ada.LOSSES
        assert response.gain(inverse) == pytest.approx(0)
        assert response.gain(7 * inverse) == pytest.approx(0)
        assert float(response.effect(inverse)) == pytest.approx(0)
        best = response._optimum.exp()
        assert response.gain(best) == pytest.approx(1)
        ones = response.gain(torch.ones_like(ada.LOSSES))
        assert (ones > 0) is near_ones


def test_the_first_reference_is_that_of_the_reading() -> None:
    world = ada.WORLDS['falls first']
    found = {}
    for name, options in ada.READINGS.items():
        generator = torch.Generator().manual_seed(0)
        response = ada.Response(generator, near_ones=False)
        controller = ada.AdaSegment(10, 6, 4, 'paper', **options)
        found[name] = ada.first_reference(
            controller, world, response, generator
        )
    assert found['20 steps, start'] == found['1 step, start'] == 34
    assert found['20 steps, zero'] == 0 and found['20 steps, none'] is None
    assert found['20 steps, pseudo'] < 28  # ones are worse than the start


def test_twenty_steps_live_where_one_dies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ['--searches', '2', '--readings']
    ada.main([*arguments, '1 step, start', '50 steps, start'])
    once, fifty = capsys.readouterr().out.splitlines()[2:]
    assert once.split('|')[2].strip() == '0%'
    assert fifty.split('|')[2].strip() == '100%'


def test_the_response_has_its_room_and_its_cost() -> None:
    world = slope.World(directions=4, cost=1.0, room=2.0, noise=0.5)
    generator = torch.Generator().manual_seed(0)
    response = slope.Response(world, generator)
    start = torch.zeros(4, dtype=torch.float64)
    # Bounded: 12 (1 - exp(-2 / 12)).
    bounded = 12 * (1 - torch.tensor(-2 / 12).exp())
    assert float(response(start)) == pytest.approx(-float(bounded))
    assert float(response(response._optimum)) == pytest.approx(0)
    # The mean over directions of half the curvature at 1.2.
    costs = response._curvature.diag().mean() * 1.2**2 / 2
    assert float(costs) == pytest.approx(1.0)


def test_another_optimum_is_as_far_in_another_direction() -> None:
    world = slope.World(directions=4, cost=1.0, room=2.0, noise=0.5)
    generator = torch.Generator().manual_seed(0)
    response = slope.Response(world, generator)
    other = response.elsewhere(0.6, generator)
    cosine = torch.cosine_similarity(response._optimum, other._optimum, dim=0)
    assert float(cosine) == pytest.approx(0.6)
    start = torch.zeros(4, dtype=torch.float64)
    assert float(other(start)) == pytest.approx(float(response(start)))
    assert float(other(other._optimum)) == pytest.approx(0)
    assert float(other(response._optimum)) < -0.5
    assert float(response(response._optimum)) == pytest.approx(0)


def test_a_short_step_is_a_hedge(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gains less if the images agree, and loses less if they do not."""
    world = slope.World(directions=4, cost=1.0, room=2.0, noise=0.0)
    monkeypatch.setattr(slope, 'AGREEMENTS', (1.0, 0.0))
    _, _, alike, apart = slope.step_table(10, [world])
    found = [
        [float(cell.split(',')[0]) for cell in row.strip('|').split('|')[5:]]
        for row in (alike, apart)
    ]
    assert found[0][0] > found[0][2] > 0 > found[1][2] > found[1][0]


def test_a_centre_point_keeps_a_good_start() -> None:
    world = slope.World(directions=4, cost=3.0, room=0.5, noise=0.5)
    _, _, row = slope.table(5, [world])
    cells = [cell.split(',') for cell in row.strip('|').split('|')[4:]]
    gains = [float(gain) for gain, _ in cells]
    assert [design.name for design in slope.DESIGNS] == [
        '9',
        '8 + 1',
        '8',
        '7 + 1',
    ]
    assert gains[0] < -2 < 0 < gains[1]
    assert gains[2] < -2 < 0 < gains[3]


def test_a_control_keeps_what_is_better_than_the_step() -> None:
    world = slope.World(directions=4, cost=1.0, room=0.5, noise=0.5)
    rows = slope.control_table(5, [world])[2:]
    found = {}
    for row in rows:
        *_, ones, without, controlled = row.strip('|').split('|')
        found[int(ones)] = [
            float(cell.split(',')[0]) for cell in (without, controlled)
        ]
    # The step is worth at most 0.5.
    assert found[3][0] < -2 and found[3][1] == 0
    assert found[-1][0] > 1 and found[-1][1] == pytest.approx(
        found[-1][0], abs=0.2
    )


def test_a_noise_that_is_told_too_large_leaves_small_gains() -> None:
    world = slope.World(directions=4, cost=1.0, room=0.25, noise=0.15)
    _, _, row = slope.noise_table(5, [world])
    true, _, fourfold, eightfold = [
        float(cell.split(',')[0]) for cell in row.strip('|').split('|')[4:]
    ]
    assert slope.ASSUMED == (0.15, 0.3, 0.6, 1.2)
    assert 0.15 < true < 0.25
    assert fourfold == pytest.approx(true, abs=0.06)
    assert eightfold < true / 3


def test_a_slope_gains_more_than_the_best_of_as_many_random_ones() -> None:
    world = slope.World(directions=4, cost=1.0, room=2.0, noise=0.5)
    _, _, row = slope.random_table(20, [world])
    gains = [
        float(cell.split(',')[0]) for cell in row.strip('|').split('|')[4:]
    ]
    assert slope.CANDIDATES == (5, 9)
    assert gains[0] > 1.2 and 0 < gains[1] < gains[2] < 1
