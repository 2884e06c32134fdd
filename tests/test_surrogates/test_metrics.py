from __future__ import annotations

import pytest
import torch

from mmada.evaluation import (
    SemanticCounts,
    count_semantic,
    semantic_quality,
)
from mmada.surrogates import SURROGATES, find_surrogate, read_target
from tests.test_surrogates.cases import (
    MAPPED,
    METRICS,
    blobs,
    one_hot,
    random_curves,
    surrogate_of,
)
from tests.test_surrogates.true_metrics import TRUE_METRICS


def rows(label):
    return [
        [[None if c == 255 else c for c in row] for row in image]
        for image in label.tolist()
    ]


@pytest.mark.parametrize('metric', METRICS)
@pytest.mark.parametrize('seed', range(4))
def test_on_certain_predictions_every_curve_gives_the_true_metric(
    metric, seed
):
    true = blobs(seed, classes=4, ignored=seed % 2 == 1)
    pred = blobs(seed + 50, classes=5)
    pred[0, :6] = true[0, :6].where(true[0, :6] != 255, pred[0, :6])
    options = (
        {'tolerance': 1 + seed, 'drop_bg': seed < 2}
        if metric in MAPPED
        else {}
    )
    expected = TRUE_METRICS[metric](rows(pred), rows(true), 5, **options)
    assert 0.05 < expected < 0.95
    for extreme in (False, True):
        points = random_curves(metric, seed, extreme)
        found = surrogate_of(metric, one_hot(pred, 5), true, points, **options)
        assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('metric', METRICS)
def test_a_perfect_prediction_scores_one_if_all_classes_are_there(metric):
    true = torch.arange(4).repeat_interleave(3).repeat(12, 1)[None]
    found = surrogate_of(
        metric, one_hot(true, 4), true, random_curves(metric, 0)
    )
    assert float(found) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ('metric', 'expected'),
    [
        ('mIoU', 0.5),
        ('mAcc', 0.5),
        ('FWIoU', 1.0),
        ('gAcc', 1.0),
        ('BF1', 1.0),
    ],
)
def test_absent_classes_count_as_zero_in_means_over_all_classes(
    metric, expected
):
    true = torch.tensor([0, 1]).repeat_interleave(4).repeat(8, 1)[None]
    found = surrogate_of(
        metric, one_hot(true, 4), true, random_curves(metric, 0)
    )
    assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('metric', METRICS)
def test_without_a_pixel_the_metric_is_one_and_has_no_gradient(metric):
    p = torch.rand(2, 3, 6, 6).softmax(1).requires_grad_()
    label = torch.full((2, 6, 6), 255)
    found = surrogate_of(metric, p, label, random_curves(metric, 1))
    found.backward()
    assert found.item() == 1
    assert torch.equal(p.grad, torch.zeros_like(p))


@pytest.mark.parametrize('metric', MAPPED)
def test_a_target_without_any_edge_is_no_reason_to_learn(metric):
    p = torch.rand(1, 3, 6, 6).softmax(1).requires_grad_()
    found = surrogate_of(
        metric, p, torch.ones(1, 6, 6).long(), random_curves(metric, 1)
    )
    found.backward()
    assert found.item() == 1
    assert torch.equal(p.grad, torch.zeros_like(p))


def void_bands(seed):
    """Label maps whose classes are parted by a band of ignored pixels."""
    label = blobs(seed, size=(1, 40, 44), classes=4, cell=11)
    found = label.clone()
    for axis in (1, 2):
        size = label.shape[axis]
        for line in range(11, size, 11):
            found.narrow(axis, line - 2, min(4, size - line + 2)).fill_(255)
    return label, found


@pytest.mark.parametrize('metric', METRICS)
@pytest.mark.parametrize('seed', range(4))
def test_with_bands_of_ignored_pixels_it_is_the_metric_of_an_evaluation(
    metric, seed
):
    clean, true = void_bands(seed)
    noise = torch.Generator().manual_seed(seed)
    moved = clean.roll((seed - 2, 3), (1, 2))
    drawn = torch.rand(clean.shape, generator=noise) < 0.02
    pred = torch.where(drawn, 3 - moved, moved)
    counts = SemanticCounts(
        *count_semantic(true[0].clamp(max=4), pred[0], 4, 3, None)
    )
    expected = semantic_quality(counts)[metric]
    assert 0.2 < expected < 0.99
    options = dict(tolerance=3, drop_bg=False) if metric in MAPPED else {}
    found = surrogate_of(
        metric, one_hot(pred, 4), true, random_curves(metric, seed), **options
    )
    assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('metric', sorted(set(METRICS) - {'BF1'}))
def test_what_is_ignored_neither_counts_nor_learns(metric):
    label = blobs(3, size=(1, 16, 16), ignored=True)
    points = random_curves(metric, 2)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 4, 16, 16, generator=generator)
    other = torch.where(label[:, None] == 255, -5 * logits, logits)
    values, grads = [], []
    for each in (logits, other):
        each = each.clone().requires_grad_()
        found = surrogate_of(metric, each.softmax(1), label, points)
        found.backward()
        values.append(found.item())
        grads.append(each.grad)
    ignored = (label == 255)[:, None].expand(-1, 4, -1, -1)
    assert values[0] == pytest.approx(values[1], abs=1e-7)
    assert 0 < values[0] < 1
    assert not grads[0][ignored].any()
    assert grads[0][~ignored].any()


@pytest.mark.parametrize('metric', METRICS)
@pytest.mark.parametrize('ignored', [False, True])
def test_gradients_are_those_of_the_function(metric, ignored):
    label = blobs(1, size=(2, 5, 6), classes=3, ignored=ignored, cell=2)
    points = random_curves(metric, 3)
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(2, 3, 5, 6, generator=generator).double()
    options = {'tolerance': 1, 'drop_bg': False} if metric in MAPPED else {}

    def value(z):
        return surrogate_of(metric, z.softmax(1), label, points, **options)

    assert torch.autograd.gradcheck(
        value, logits.requires_grad_(), eps=1e-7, atol=1e-5
    )


@pytest.mark.parametrize('metric', sorted(set(METRICS) - set(MAPPED)))
def test_a_list_of_pixels_gives_what_their_map_gives(metric):
    label = blobs(2)
    p = torch.rand(2, 4, 13, 11).softmax(1).requires_grad_()
    points = random_curves(metric, 5)
    on_map = surrogate_of(metric, p, label, points)
    pixels = p.movedim(1, -1).reshape(-1, 4)
    on_list = surrogate_of(metric, pixels, label.reshape(-1), points)
    assert on_map.item() == pytest.approx(on_list.item(), abs=1e-6)
    (first,) = torch.autograd.grad(on_map, p)
    (second,) = torch.autograd.grad(on_list, p)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize('metric', METRICS)
def test_the_order_of_axes_in_memory_changes_nothing(metric):
    label = blobs(8, ignored=True)
    points = random_curves(metric, 8)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 4, 13, 11, generator=generator)
    values, grads = [], []
    for layout in (torch.contiguous_format, torch.channels_last):
        z = logits.clone(memory_format=layout).requires_grad_()
        found = surrogate_of(metric, z.softmax(1), label, points)
        found.backward()
        values.append(found.item())
        grads.append(z.grad)
    assert values[0] == pytest.approx(values[1], abs=1e-7)
    torch.testing.assert_close(grads[0], grads[1])


@pytest.mark.parametrize('metric', METRICS)
def test_equal_weights_of_any_size_change_nothing(metric):
    label = blobs(6, ignored=True)
    p = torch.rand(2, 4, 13, 11).softmax(1)
    points = random_curves(metric, 6)
    plain = surrogate_of(metric, p, label, points)
    weight = torch.full(label.shape, 3.0)
    weighted = surrogate_of(metric, p, label, points, weight)
    assert float(plain) == pytest.approx(float(weighted), abs=1e-6)


@pytest.mark.parametrize('metric', sorted(set(METRICS) - set(MAPPED)))
def test_a_weight_of_two_is_two_pixels(metric):
    label = blobs(7, size=(1, 8, 8))
    p = torch.rand(1, 4, 8, 8).softmax(1)
    points = random_curves(metric, 7)
    weight = torch.ones(label.shape)
    weight[:, :3] = 2
    weighted = surrogate_of(metric, p, label, points, weight)
    twice_p = torch.cat([p, p[:, :, :3]], 2)
    twice = surrogate_of(
        metric, twice_p, torch.cat([label, label[:, :3]], 1), points
    )
    assert float(weighted) == pytest.approx(float(twice), abs=1e-6)


def test_weights_of_edges_weigh_precision_and_recall():
    # Two columns of class 1 in 0; the prediction misses by far on the right.
    true = torch.zeros(1, 3, 12).long()
    true[:, :, 1] = true[:, :, 8] = 1
    pred = true.clone()
    pred[:, :, 8] = 0
    weight = torch.ones(true.shape)
    weight[:, :, 8] = 3
    points = random_curves('BF1', 0)
    found = surrogate_of(
        'BF1',
        one_hot(pred, 2),
        true,
        points,
        weight,
        tolerance=0,
        drop_bg=True,
    )
    # Precision 1; recall 3 of 3 + 3 * 3 by weight.
    assert float(found) == pytest.approx(2 * 0.25 / 1.25, abs=1e-6)


def test_the_shapes_are_those_of_the_paper():
    found = {
        name: (each.shape.curves, each.shape.pieces, each.shape.num_parameters)
        for name, each in SURROGATES.items()
    }
    assert found == {
        'mIoU': (2, 2, 12),
        'FWIoU': (2, 2, 12),
        'BIoU': (2, 2, 12),
        'mAcc': (1, 2, 6),
        'gAcc': (1, 2, 6),
        'BF1': (4, 1, 8),
    }


@pytest.mark.parametrize('name', ['miou', 'PQ', None, ['mIoU']])
def test_an_unknown_metric_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="'mIoU', 'FWIoU', .*'BF1'. F"):
        find_surrogate(name)


@pytest.mark.parametrize(
    ('wrong', 'ignore'), [(4, 255), (-1, 255), (255, None), (255, -1)]
)
def test_a_label_that_is_no_class_is_refused(wrong, ignore):
    label = blobs(0)
    label[0, 0, 0] = wrong
    with pytest.raises(ValueError, match=rf'\[0, 3\].*Found \[{wrong}\]'):
        read_target(label, 4, ignore)
