"""Points and steps, by hand and by what they promise."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from mmada.controllers.slope_design import design, shrunk_step, waves

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


def test_the_step_goes_up_the_slope_as_far_as_the_points_were() -> None:
    points = design(4, 3, Generator().manual_seed(0))
    truth = torch.tensor([2.0, 0.0, -1.0]).double()
    step = shrunk_step(points, 30 + points @ truth, 0.0)
    torch.testing.assert_close(step, truth * math.sqrt(3 / 5))


def test_noise_shortens_the_step_and_in_the_end_forbids_it() -> None:
    points = design(4, 3, Generator().manual_seed(0))
    metrics = points @ torch.tensor([2.0, 0.0, 0.0]).double()
    # 1 - 3 noise^2 / (4 * 2^2)
    step = shrunk_step(points, metrics, 2.0)
    assert float(step[0]) == pytest.approx(math.sqrt(3) * (1 - 12 / 16))
    assert not shrunk_step(points, metrics, 2.4).any()
