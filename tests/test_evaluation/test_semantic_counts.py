"""Counts of one image against loops over its pixels."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmada.evaluation import SemanticCounts, count_semantic

from . import semantic_reference
from .label_maps import label_map

SEEDS = st.integers(0, 10**6)


def pair(seed, num_classes, size=(12, 14)):
    truth = label_map(seed, num_classes, size)
    return truth, label_map(seed + 1, num_classes, size)


@settings(max_examples=40)
@given(
    SEEDS,
    st.integers(1, 5),
    st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.integers(0, 5),
    st.booleans(),
    st.floats(0, 0.9),
)
def test_counts_are_those_of_loops(
    seed, num_classes, size, tolerance, has_background, unlabelled
) -> None:
    truth, predicted = pair(seed, num_classes, size)
    hidden = label_map(seed + 2, 10, size) < 10 * unlabelled
    truth[hidden] = num_classes
    background = 0 if has_background else None
    found = count_semantic(
        truth, predicted, num_classes, tolerance, background
    )
    expected = semantic_reference.count(
        truth.tolist(), predicted.tolist(), num_classes, tolerance, background
    )
    assert found.dtype == torch.int64
    assert found.tolist() == expected


def test_counts_by_hand() -> None:
    # One row: class 0 left of class 1, predicted one pixel too far left.
    truth = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 2]])
    predicted = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1, 1]])
    counts = SemanticCounts(*count_semantic(truth, predicted, 2, 1).tolist())
    assert counts == SemanticCounts(
        shared=[2, 4],
        true=[4, 4],
        found=[2, 6],
        # Within one pixel of the edges at 3, 4 and 7: 2 to 8, less the last.
        trimap_shared=[0, 4],
        trimap_true=[2, 4],
        trimap_found=[0, 6],
        edges_true=[1, 2],
        edges_found=[1, 1],
        # 3 is two away from 1; 4 and 7 are not near 2.
        edges_true_met=[0, 0],
        edges_found_met=[0, 0],
    )


def test_the_background_has_no_trimap_of_its_own() -> None:
    truth = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])
    everywhere = SemanticCounts(*count_semantic(truth, truth, 2, 0))
    without = SemanticCounts(*count_semantic(truth, truth, 2, 0, 0))
    assert everywhere.trimap_true.tolist() == [1, 1]
    assert without.trimap_true.tolist() == [0, 1]
    assert without.edges_true.tolist() == [1, 1]


def test_pixels_without_a_label_are_no_class() -> None:
    truth = torch.tensor([[0, 0, 0, 0, 2, 2]])
    counts = SemanticCounts(*count_semantic(truth, truth * 0, 2, 1, 0))
    assert counts.trimap_true.tolist() == [0, 0]
    assert counts.edges_true.tolist() == [1, 0]


def test_a_full_word_of_classes_and_pixels_without_a_label() -> None:
    truth = torch.tensor([[62, 62, 63, 63]])
    counts = SemanticCounts(*count_semantic(truth, truth * 0 + 62, 63))
    assert counts.shared.nonzero().tolist() == [[62]]
    assert counts.edges_true[62] == 1 and counts.edges_true.sum() == 1


@given(SEEDS, st.sampled_from([1, 4, 70]), st.integers(0, 5))
def test_a_perfect_prediction_meets_everything(seed, num_classes, tol) -> None:
    truth = label_map(seed, num_classes)
    counts = SemanticCounts(*count_semantic(truth, truth, num_classes, tol))
    assert torch.equal(counts.shared, counts.true)
    assert torch.equal(counts.trimap_shared, counts.trimap_true)
    assert torch.equal(counts.edges_true_met, counts.edges_true)
    assert torch.equal(counts.edges_found_met, counts.edges_found)


@given(SEEDS, st.sampled_from([2, 4, 70]), st.integers(0, 5))
def test_truth_and_prediction_change_places(seed, num_classes, tol) -> None:
    truth, predicted = pair(seed, num_classes)
    there = SemanticCounts(*count_semantic(truth, predicted, num_classes, tol))
    back = SemanticCounts(*count_semantic(predicted, truth, num_classes, tol))
    assert torch.equal(there.shared, back.shared)
    assert torch.equal(there.true, back.found)
    assert torch.equal(there.edges_true, back.edges_found)
    assert torch.equal(there.edges_true_met, back.edges_found_met)


@given(SEEDS, st.integers(2, 5), st.integers(0, 4))
def test_counts_have_an_order(seed, num_classes, tol) -> None:
    truth, predicted = pair(seed, num_classes)
    truth[:2] = num_classes
    counts = SemanticCounts(
        *count_semantic(truth, predicted, num_classes, tol)
    )
    assert (counts.shared <= counts.true.minimum(counts.found)).all()
    assert (counts.trimap_true <= counts.true).all()
    assert (counts.edges_true <= counts.trimap_true).all()
    assert (counts.edges_true_met <= counts.edges_true).all()
    assert (counts.edges_found_met <= counts.edges_found).all()
    assert counts.true.sum() == counts.found.sum() == 10 * 14
    wider = SemanticCounts(
        *count_semantic(truth, predicted, num_classes, tol + 1)
    )
    assert (counts.edges_true_met <= wider.edges_true_met).all()
    assert (counts.trimap_true <= wider.trimap_true).all()


@given(SEEDS, st.integers(2, 4))
def test_a_mirror_changes_nothing(seed, num_classes) -> None:
    truth, predicted = pair(seed, num_classes)
    expected = count_semantic(truth, predicted, num_classes)
    for dims in ((0,), (1,), (0, 1)):
        found = count_semantic(
            truth.flip(dims), predicted.flip(dims), num_classes
        )
        assert torch.equal(found, expected)


def test_maps_are_only_read() -> None:
    truth, predicted = pair(0, 4)
    copies = truth.clone(), predicted.clone()
    count_semantic(truth, predicted, 4)
    assert torch.equal(truth, copies[0]) and torch.equal(predicted, copies[1])
