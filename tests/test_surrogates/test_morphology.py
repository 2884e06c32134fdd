from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmada.surrogates import read_target
from mmada.surrogates.morphology import (
    edge_maps,
    erode,
    label_edges,
    window_max,
)
from mmada.surrogates.regions import trimap
from tests.test_surrogates.cases import blobs
from tests.test_surrogates.true_metrics import edge_set


@pytest.mark.parametrize('radius', [0, 1, 2, 3, 5, 7, 20])
@pytest.mark.parametrize('size', [(9, 14), (1, 5), (4, 1)])
def test_window_max_is_max_pooling(radius, size):
    maps = torch.rand(2, 3, *size)
    kept = maps.clone()
    expected = F.max_pool2d(maps, 2 * radius + 1, 1, radius)
    assert torch.equal(window_max(maps, radius), expected)
    assert torch.equal(maps, kept)


@pytest.mark.parametrize('size', [(9, 14), (1, 5), (4, 1), (1, 1)])
def test_erosion_is_minus_max_pooling_and_so_is_its_gradient(size):
    maps = torch.rand(2, 3, *size).double().requires_grad_()
    given = torch.rand(2, 3, *size).double()
    expected = -F.max_pool2d(-maps, 3, 1, 1)
    found = erode(maps)
    assert torch.equal(found, expected)
    (theirs,) = torch.autograd.grad(expected, maps, given)
    (ours,) = torch.autograd.grad(found, maps, given)
    torch.testing.assert_close(ours, theirs)


def test_equal_neighbours_share_no_gradient_twice():
    maps = torch.zeros(1, 1, 5, 5).requires_grad_()
    erode(maps).sum().backward()
    assert maps.grad.sum() == 25


@pytest.mark.parametrize('ignored', [False, True])
def test_label_edges_are_the_inner_edges_of_every_class(ignored):
    label = blobs(4, ignored=ignored)
    target = read_target(label, 4, 255)
    maps = edge_maps(target, label_edges(target))
    rows = [
        [[None if c == 255 else c for c in row] for row in image]
        for image in label.tolist()
    ]
    for c in range(4):
        found = {tuple(p) for p in maps[:, c].nonzero().tolist()}
        assert found == edge_set(rows, c)


def test_the_trimap_reaches_tolerance_pixels_from_an_edge():
    label = torch.zeros(1, 1, 12).long()
    label[..., 6:] = 1
    target = read_target(label, 2)
    assert trimap(target, 2, False)[0, 0].nonzero().flatten().tolist() == [
        *range(3, 9)
    ]
    assert trimap(target, 2, True)[0, 0].nonzero().flatten().tolist() == [
        *range(4, 9)
    ]
