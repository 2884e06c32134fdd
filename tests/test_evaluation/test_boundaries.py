"""Boundaries of all classes at once against a map for each class."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d, max_pool2d, one_hot

from mmada.evaluation.boundaries import (
    holds_label,
    inner_edges,
    label_sets,
    spread_sets,
)

from .label_maps import label_map

SEEDS = st.integers(0, 10**6)
SIZES = st.tuples(st.integers(1, 17), st.integers(1, 17))


def maps_of(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    return one_hot(labels, num_classes).permute(2, 0, 1).float()


def members(sets: torch.Tensor, num_classes: int) -> torch.Tensor:
    """The sets as a boolean map for each class, shape (C, H, W)."""
    shape = sets.shape[1:]
    return torch.stack(
        [
            holds_label(sets, torch.full(shape, c, dtype=torch.int64))
            for c in range(num_classes)
        ]
    )


def test_edges_by_hand() -> None:
    labels = torch.tensor(
        [
            [0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0],
            [0, 0, 0, 1, 1],
            [0, 0, 0, 1, 1],
            [0, 0, 0, 1, 1],
        ]
    )
    # The border of the image is no boundary, a touching corner is one.
    expected = [
        [0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 0],
        [0, 0, 1, 1, 0],
    ]
    assert inner_edges(labels).int().tolist() == expected


@given(SEEDS, SIZES, st.integers(1, 6))
def test_edges_are_where_the_average_differs(seed, size, num_classes) -> None:
    labels = label_map(seed, num_classes, size)
    maps = maps_of(labels, num_classes)
    average = avg_pool2d(maps, 3, 1, 1, count_include_pad=False)
    expected = ((average != maps) * maps).amax(0).bool()
    assert torch.equal(inner_edges(labels), expected)


@given(SEEDS, SIZES, st.integers(0, 9), st.sampled_from([1, 5, 63, 64, 130]))
def test_spreading_is_a_dilation_of_each_class(
    seed, size, tolerance, num_classes
) -> None:
    labels = label_map(seed, num_classes, size)
    edges = inner_edges(labels)
    sets = spread_sets(label_sets(labels, edges, num_classes), tolerance)
    assert sets.shape == (-(-num_classes // 63), *size)
    pooled = max_pool2d(
        maps_of(labels, num_classes) * edges, 2 * tolerance + 1, 1, tolerance
    )
    assert torch.equal(members(sets, num_classes), pooled.bool())


@pytest.mark.parametrize('num_classes', [3, 63, 64, 127])
def test_the_last_class_has_a_bit_of_its_own(num_classes) -> None:
    labels = torch.tensor([[num_classes - 1, 0]])
    sets = label_sets(labels, torch.tensor([[True, False]]), num_classes)
    found = members(sets, num_classes)
    assert found[:, 0, 0].nonzero().flatten().tolist() == [num_classes - 1]
    assert not found[:, 0, 1].any()
