"""Counts against loops over pixels, metrics against scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    jaccard_score,
    recall_score,
)
from torch.nn.functional import avg_pool2d, max_pool2d, one_hot

from mmada.evaluation import SemanticCounts, count_semantic, semantic_quality
from mmada.evaluation.semantic_counts import (
    holds_label,
    inner_edges,
    label_sets,
    spread_sets,
)
from tests.test_evaluation import semantic_reference
from tests.test_evaluation.label_maps import label_map

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


def quality(truth, predicted, num_classes, **options):
    counts = SemanticCounts(*count_semantic(truth, predicted, num_classes))
    return semantic_quality(counts, **options)


@given(st.integers(0, 10**6), st.integers(2, 12), st.booleans())
def test_area_metrics_are_scikit_learns(seed, num_classes, ignore) -> None:
    truth = label_map(seed, num_classes)
    predicted = label_map(seed + 1, num_classes)
    if ignore:
        truth[:5] = num_classes
    found = quality(truth, predicted, num_classes)
    kept = truth < num_classes
    y, z = truth[kept].numpy(), predicted[kept].numpy()
    classes = np.union1d(y, z)
    assert found['mIoU'] == pytest.approx(
        jaccard_score(y, z, average='macro', labels=classes, zero_division=0)
    )
    assert found['FWIoU'] == pytest.approx(
        jaccard_score(
            y, z, average='weighted', labels=classes, zero_division=0
        )
    )
    assert found['mAcc'] == pytest.approx(
        recall_score(y, z, average='macro', labels=np.unique(y))
    )
    assert found['gAcc'] == pytest.approx(accuracy_score(y, z))
    theirs = quality(truth, predicted, num_classes, classes_of='ground_truth')
    assert theirs['mIoU'] == pytest.approx(
        jaccard_score(y, z, average='macro', labels=np.unique(y))
    )


def binary_map(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.float()[None]


@given(st.integers(0, 10**6), st.integers(2, 4))
def test_boundary_metrics_are_those_of_dilated_maps(seed, num_classes) -> None:
    """Each class for itself, with pools; scores are scikit-learn's."""
    truth = label_map(seed, num_classes, (20, 24), 8)
    predicted = label_map(seed + 1, num_classes, (20, 24), 8)
    true, found, scores = {}, {}, []
    pool = torch.nn.functional
    for c in range(num_classes):
        for labels, edges in ((truth, true), (predicted, found)):
            own = binary_map(labels == c)
            mean = pool.avg_pool2d(own, 3, 1, 1, count_include_pad=False)
            edges[c] = (mean != own) * own
    near = {
        name: {c: pool.max_pool2d(e, 11, 1, 5) for c, e in edges.items()}
        for name, edges in (('true', true), ('found', found))
    }
    for c in range(num_classes):
        if not true[c].any():
            continue
        right = (found[c] * near['true'][c]).sum()
        precision = right / found[c].sum() if found[c].any() else 0.0
        recall = (true[c] * near['found'][c]).sum() / true[c].sum()
        total = float(precision + recall)
        scores.append(2 * float(precision * recall) / total if total else 0)
    assume(scores)
    ours = quality(truth, predicted, num_classes)
    assert ours['BF1'] == pytest.approx(np.mean(scores), abs=1e-6)
    trimap = torch.stack(list(near['true'].values())).amax(0)[0].bool()
    y, z = truth[trimap].numpy(), predicted[trimap].numpy()
    classes = np.union1d(y, z)
    assert ours['BIoU'] == pytest.approx(
        jaccard_score(y, z, average='macro', labels=classes, zero_division=0)
    )


def test_with_tolerance_zero_bf1_is_the_f1_score_of_edges() -> None:
    truth = torch.zeros(16, 16, dtype=torch.int64)
    truth[4:12, 4:12] = 1
    predicted = torch.zeros_like(truth)
    predicted[4:12, 5:12] = 1
    counts = SemanticCounts(*count_semantic(truth, predicted, 2, 0))
    ring, shifted = torch.zeros(2, 16, 16)
    ring[4:12, 4:12], shifted[4:12, 5:12] = 1, 1
    ring[5:11, 5:11], shifted[5:11, 6:11] = 0, 0
    expected = f1_score(ring.flatten(), shifted.flatten())
    found = semantic_quality(counts, background=0)
    assert found['BF1'] == pytest.approx(expected)


def test_values_by_hand() -> None:
    # Of class 0: 2 of 4 pixels found; of class 1: all 4, and 2 too many.
    truth = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])
    predicted = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1]])
    found = quality(truth, predicted, 2)
    assert found == pytest.approx(
        dict(
            mIoU=(2 / 4 + 4 / 6) / 2,
            FWIoU=(2 / 4 + 4 / 6) / 2,
            mAcc=(2 / 4 + 1) / 2,
            gAcc=6 / 8,
            BIoU=(2 / 4 + 4 / 6) / 2,
            BF1=1.0,
        )
    )


def test_absent_classes_are_left_out() -> None:
    truth = torch.tensor([[0, 0, 0, 1, 1, 1]])
    predicted = torch.tensor([[0, 0, 0, 1, 1, 2]])
    few = quality(truth, predicted, 3)
    many = quality(truth, predicted, 9)
    assert few == many
    # Class 2 is not in the truth: a zero in mIoU, nothing elsewhere.
    assert few['mIoU'] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert few['mAcc'] == pytest.approx((1 + 2 / 3) / 2)
    assert few['FWIoU'] == pytest.approx((1 + 2 / 3) / 2)
    assert few['BF1'] == pytest.approx(1)
    fixed = quality(truth, predicted, 3, classes_of='ground_truth')
    assert fixed['mIoU'] == pytest.approx((1 + 2 / 3) / 2)
    assert fixed['BIoU'] == pytest.approx((1 + 2 / 3) / 2)


def test_edges_that_are_not_found_score_zero() -> None:
    truth = torch.zeros(20, 40, dtype=torch.int64)
    truth[:, 30:] = 1
    found = quality(truth, torch.zeros_like(truth), 2)
    assert found['BF1'] == 0
    far = torch.zeros_like(truth)
    far[:, 5:] = 1
    assert quality(truth, far, 2)['BF1'] == 0


def test_bf1_leaves_the_background_out() -> None:
    truth = torch.zeros(20, 40, dtype=torch.int64)
    truth[8:12, 18:22], truth[0:2, 0:2] = 1, 2
    predicted = torch.zeros_like(truth)
    predicted[8:12, 18:22] = 1
    found = [
        quality(truth, predicted, 3, background=b)['BF1'] for b in (None, 0)
    ]
    # Class 1 is right, class 2 missed; the background is in between.
    assert found[1] == pytest.approx(1 / 2)
    assert 1 / 2 < found[0] < 2 / 3


def test_nothing_to_average_is_nan() -> None:
    whole = torch.zeros(6, 6, dtype=torch.int64)
    found = quality(whole, whole, 3)
    assert found['mIoU'] == found['gAcc'] == found['FWIoU'] == 1
    assert math.isnan(found['BF1']) and math.isnan(found['BIoU'])
    nothing = quality(whole + 3, whole, 3)
    assert all(map(math.isnan, nothing.values()))


def test_large_counts_are_exact() -> None:
    rows = torch.full((10, 2), 2**40 + 1, dtype=torch.int64)
    rows[8:] = 2**39
    found = semantic_quality(SemanticCounts(*rows))
    assert found['mIoU'] == found['gAcc'] == 1
    assert found['BF1'] == pytest.approx(2**39 / (2**40 + 1), rel=1e-14)


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
