"""Runs, areas and overlaps against counting pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmada.datasets.segment_map import label_areas, overlaps, to_segment_map

ids = st.sampled_from([-1, 0, 1, 7, 1003, 256**3 - 1])
maps = arrays(np.int64, (4, 5), elements=ids)


def test_runs_go_on_across_lines():
    found = to_segment_map(np.array([[5, 5, 2], [2, 9, 9]]))
    assert found.labels.tolist() == [2, 5, 9]
    assert found.owners.tolist() == [1, 0, 2]
    assert found.lengths.tolist() == [2, 2, 2]
    assert found.shape == (2, 3)


@settings(derandomize=True, deadline=None)
@given(maps)
def test_areas(array):
    labels, areas = np.unique(array, return_counts=True)
    assert label_areas(to_segment_map(array)) == dict(
        zip(labels.tolist(), areas.tolist(), strict=True)
    )


@settings(derandomize=True, deadline=None)
@given(maps, maps)
def test_overlaps(first, second):
    found = overlaps(to_segment_map(first), to_segment_map(second))
    pairs = list(zip(first.ravel(), second.ravel(), strict=True))
    assert found == {pair: pairs.count(pair) for pair in pairs}
    assert list(found) == sorted(found)


def test_more_labels_than_a_byte_counts():
    array = np.arange(70_000).reshape(700, 100)
    one = np.zeros_like(array)
    found = overlaps(to_segment_map(array), to_segment_map(one))
    assert found == {(k, 0): 1 for k in range(70_000)}
    assert overlaps(to_segment_map(one), to_segment_map(array)) == {
        (0, k): 1 for k in range(70_000)
    }


def test_the_array_is_only_read():
    array = np.array([[3, 0], [0, 3]])
    array.flags.writeable = False
    to_segment_map(array)


@pytest.mark.parametrize('shape', [(0, 3), (3,), (1, 2, 3)])
def test_no_map(shape):
    with pytest.raises(ValueError, match=r'Found shape \('):
        to_segment_map(np.zeros(shape, dtype=int))


def test_sizes_that_differ():
    first = to_segment_map(np.zeros((2, 3), dtype=int))
    second = to_segment_map(np.zeros((3, 2), dtype=int))
    with pytest.raises(ValueError, match=r'\(2, 3\) and \(3, 2\)'):
        overlaps(first, second)
