"""Soft edges by hand, and classes that do not count."""

from __future__ import annotations

import pytest
import torch

from mmada.surrogates import Curve
from mmada.surrogates.boundary_f1 import soft_edges
from tests.test_surrogates.cases import (
    blobs,
    random_curves,
    surrogate_of,
)

IDENTITY = Curve.from_points(torch.tensor([[0.5, 0.5]]))
# 0 to 1 by 2 x - x^2 and by x^2.
HIGH = Curve.from_points(torch.tensor([[0.5, 1.0]]))
LOW = Curve.from_points(torch.tensor([[0.5, 0.0]]))


def edges_and_slopes(curves, p, q):
    p, q = (torch.tensor(each).double().requires_grad_() for each in (p, q))
    edges = soft_edges(p, q, curves)
    edges.sum().backward()
    return edges.tolist(), p.grad.tolist(), q.grad.tolist()


def test_an_edge_is_where_a_region_and_its_erosion_differ():
    """p + q - 2 p q; its slopes are 1 - 2 q and 1 - 2 p."""
    edges, by_p, by_q = edges_and_slopes(
        [IDENTITY] * 4, [0.0, 1.0, 1.0, 0.5], [0.0, 0.0, 1.0, 0.4]
    )
    assert edges == pytest.approx([0, 1, 0, 0.5], abs=1e-6)
    assert by_p == pytest.approx([1, 1, -1, 0.2], abs=1e-6)
    assert by_q == pytest.approx([1, -1, -1, 0], abs=1e-6)


def test_an_edge_is_never_negative_and_learns_nothing_there():
    """AND of 0.75 and 0.75, OR of 0.25 and 0.25: 0.4375 less 0.5625."""
    curves = [HIGH, HIGH, LOW, LOW]
    found = edges_and_slopes(curves, [0.5, 1.0], [0.5, 0.0])
    assert found[0] == pytest.approx([0, 1], abs=1e-6)
    assert found[1][0] == found[2][0] == 0
    # Elsewhere in the same map: h3' (1 - h4) - h1' h2 and the other way.
    assert found[1][1] == pytest.approx(2, abs=1e-4)
    assert found[2][1] == pytest.approx(-2, abs=1e-4)


@pytest.mark.parametrize(
    ('metric', 'share'), [('BF1', 1), ('mIoU', 2 / 5), ('FWIoU', 1)]
)
@pytest.mark.parametrize('ignored', [False, True])
def test_classes_that_are_absent_are_left_out_exactly(metric, share, ignored):
    """As if the model had no such channels, but for means over all classes."""
    label = blobs(7, classes=2, ignored=ignored)
    points = random_curves(metric, 7)
    generator = torch.Generator().manual_seed(7)
    p = torch.rand(2, 5, 13, 11, generator=generator).requires_grad_()
    there = torch.tensor([1, 3])
    placed = label.where(label == 255, 2 * label + 1)
    found = surrogate_of(metric, p, placed, points)
    few = p.detach()[:, there].requires_grad_()
    expected = surrogate_of(metric, few, label, points)
    assert found.item() == pytest.approx(share * expected.item(), abs=1e-6)
    found.backward()
    expected.backward()
    torch.testing.assert_close(p.grad[:, there], share * few.grad)
    assert not p.grad[:, [0, 2, 4]].any()
    assert few.grad.any()


def test_edges_of_a_class_that_does_not_count_are_not_another_s():
    """Two classes side by side; the second has the background's edges."""
    label = torch.tensor([0, 1, 2]).repeat_interleave(4).repeat(8, 1)[None]
    p = torch.zeros(1, 3, 8, 12).scatter_(1, label[:, None], 1.0)
    # The first class is predicted where the background ends.
    p[0, 1] = 0
    p[0, 1, :, :4] = 1
    options = dict(tolerance=0, drop_bg=True)
    points = random_curves('BF1', 0)
    found = surrogate_of('BF1', p, label, points, **options)
    assert float(found) == pytest.approx(0.5, abs=1e-6)
