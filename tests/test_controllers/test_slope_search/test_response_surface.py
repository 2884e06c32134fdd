"""Points, slopes and steps by hand, and by what they promise."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from mmada.controllers.slope_search.response_surface import (
    confidence,
    design,
    mean_curvature,
    response_at,
    slope_at_middle,
    step_up,
    waves,
)

SIZES = [(2, 1), (4, 3), (5, 4), (7, 3), (8, 3), (8, 4), (12, 4), (16, 10)]


@pytest.mark.parametrize(('count', 'size'), SIZES)
def test_the_design_is_orthogonal_in_all_directions(
    count: int, size: int
) -> None:
    points = design(count, size, Generator().manual_seed(0))
    assert torch.allclose(points.sum(0), torch.zeros(size).double())
    torch.testing.assert_close(
        points.T @ points / count, torch.eye(size).double()
    )


@pytest.mark.parametrize(('count', 'size'), SIZES)
def test_no_two_replicas_are_alike_and_none_is_far_out(
    count: int, size: int
) -> None:
    points = design(count, size, Generator().manual_seed(0))
    distances = torch.pdist(points)
    assert float(distances.min()) > 1.2
    # The mean of the squares is `size`; a lone wave swings by one more.
    assert float(points.norm(dim=1).max()) <= math.sqrt(size + 1) + 1e-9


@pytest.mark.parametrize(('count', 'size'), [(2, 1), (6, 3), (8, 3), (12, 4)])
def test_with_twice_as_many_each_has_one_opposite(
    count: int, size: int
) -> None:
    points = design(count, size, Generator().manual_seed(0))
    nearest = torch.cdist(points, -points).min(1).values
    torch.testing.assert_close(
        nearest, torch.zeros_like(nearest), atol=1e-6, rtol=0
    )
    # So a metric that is curved alone has no slope.
    curved = points.square() @ torch.arange(1.0, size + 1).double()
    assert float((points.T @ curved).abs().max()) < 1e-9


def test_four_waves_by_hand() -> None:
    root = math.sqrt(2)
    expected = [[root, 0, 1], [0, root, -1], [-root, 0, 1], [0, -root, -1]]
    torch.testing.assert_close(waves(4, 3), torch.tensor(expected).double())


def test_few_points_span_as_many_directions_as_they_can() -> None:
    points = design(3, 5, Generator().manual_seed(0))
    values = torch.linalg.svdvals(points)
    torch.testing.assert_close(
        values[:2], torch.full((2,), math.sqrt(3)).double()
    )
    assert torch.linalg.matrix_rank(points) == 2


def test_the_slope_of_a_plane_is_found() -> None:
    points = design(4, 3, Generator().manual_seed(0))
    truth = torch.tensor([2.0, 0.0, -1.0]).double()
    torch.testing.assert_close(
        slope_at_middle(points, 30 + points @ truth), truth
    )


def test_the_step_goes_as_far_as_the_points_were() -> None:
    points = design(4, 3, Generator().manual_seed(0))
    slope = torch.tensor([2.0, 0.0, -1.0]).double()
    torch.testing.assert_close(
        step_up(points, slope, 0.0), slope * math.sqrt(3 / 5)
    )
    for curvature in (0.0, 1.0):
        assert not step_up(points, torch.zeros(3).double(), curvature).any()


def test_the_step_goes_to_the_top_of_a_curved_response() -> None:
    points = design(6, 3, Generator().manual_seed(0))
    slope = torch.tensor([2.0, 0.0, -1.0]).double()
    metrics = 30 + points @ slope - 3 * points.square().sum(1)
    curvature = mean_curvature(points, metrics, torch.tensor([30.0]))
    assert curvature == pytest.approx(3)
    # Where g - 2 c u is zero.
    torch.testing.assert_close(
        step_up(points, slope_at_middle(points, metrics), curvature),
        slope / 6,
    )
    assert mean_curvature(points, metrics, torch.empty(0)) == 0


def test_noise_takes_confidence_away() -> None:
    points = design(4, 3, Generator().manual_seed(0))
    slope = torch.tensor([2.0, 0.0, 0.0]).double()
    # 1 - 3 noise^2 / (4 * 2^2)
    assert confidence(points, slope, 2.0) == pytest.approx(1 - 12 / 16)
    assert confidence(points, slope, 2.4) == 0
    assert confidence(points, slope, 0.0) == 1
    assert confidence(points, torch.zeros(3).double(), 0.0) == 0


def test_the_response_that_was_fitted_is_promised() -> None:
    points = design(6, 3, Generator().manual_seed(0))
    slope = torch.tensor([2.0, 0.0, -1.0]).double()
    step = step_up(points, slope, 3.0)
    # 30 + g g / 12 at the top, with g g = 5.
    assert response_at(step, 30.0, slope, 3.0) == pytest.approx(30 + 5 / 12)
    assert response_at(step / 2, 30.0, slope, 0.0) == pytest.approx(
        30 + 5 / 12
    )
