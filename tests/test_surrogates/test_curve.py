"""Curves, their slopes, and the points that describe them."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import example, given, settings

from mmada.surrogates import (
    NAMED_POINTS,
    SURROGATES,
    Curve,
    check_points,
    decode,
    find_surrogate,
    identity_action,
    identity_points,
)
from mmada.surrogates.curve import MAX_SLOPE, SurrogateShape
from tests.test_surrogates.cases import METRICS, random_curves

# h at 0.1, 0.2, ..., 0.9 of every published curve, from the specification.
GOLDEN = {
    'voc_miou': (
        '.527 .646 .696 .723 .756 .796 .840 .890 .943',
        '.007 .026 .060 .113 .191 .306 .480 .782 .974',
    ),
    'voc_fwiou': (
        '.483 .714 .746 .780 .815 .851 .887 .924 .962',
        '.057 .115 .175 .236 .300 .368 .443 .613 .800',
    ),
    'voc_macc': ('.541 .691 .764 .797 .825 .856 .888 .920 .956',),
    'voc_gacc': ('.541 .691 .764 .797 .825 .856 .888 .920 .956',),
    'voc_biou': (
        '.531 .692 .793 .862 .910 .944 .968 .983 .990',
        '.076 .152 .229 .307 .386 .552 .693 .805 .906',
    ),
    'voc_bf1': (
        '.105 .209 .313 .416 .519 .620 .720 .819 .913',
        '.054 .136 .230 .331 .436 .545 .656 .769 .884',
        '.173 .305 .418 .519 .611 .697 .778 .855 .929',
        '.409 .583 .698 .782 .845 .894 .932 .962 .984',
    ),
}


def bisected(points, x):
    """y of a curve at x, by bisection of each piece's own x(t)."""
    corners = [(0.0, 0.0), *points, (1.0, 1.0)]
    for k in range(0, len(corners) - 1, 2):
        (x0, y0), (x1, y1), (x2, y2) = corners[k : k + 3]
        if x <= x2:
            low, high = 0.0, 1.0
            for _ in range(80):
                t = (low + high) / 2
                place = (1 - t) ** 2 * x0 + 2 * t * (1 - t) * x1 + t * t * x2
                low, high = (t, high) if place < x else (low, t)
            return (1 - t) ** 2 * y0 + 2 * t * (1 - t) * y1 + t * t * y2
    raise AssertionError(x)


@pytest.mark.parametrize('name', NAMED_POINTS)
def test_published_curves_pass_through_their_golden_values(name):
    named = NAMED_POINTS[name]
    curves = find_surrogate(named.metric).build_curves(named.points)
    x = torch.arange(1, 10) / 10
    assert len(curves) == len(GOLDEN[name])
    for curve, line in zip(curves, GOLDEN[name], strict=True):
        expected = torch.tensor([float(each) for each in line.split()])
        torch.testing.assert_close(curve(x), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize('metric', ['mIoU', 'BF1'])
@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_a_curve_is_that_of_bisection(metric, seed, dtype):
    points = random_curves(metric, seed)
    x = torch.linspace(0, 1, 41, dtype=dtype)
    for each in points:
        found = Curve.from_points(each)(x).double()
        expected = [bisected(each.tolist(), v) for v in x.tolist()]
        torch.testing.assert_close(
            found, torch.tensor(expected).double(), atol=2e-5, rtol=0
        )


@pytest.mark.parametrize('pieces', [1, 2, 3])
def test_identity_points_give_the_identity(pieces):
    points = identity_points(SurrogateShape('any', 2, pieces))
    x = torch.linspace(0, 1, 33)
    for each in points:
        torch.testing.assert_close(Curve.from_points(each)(x), x)


@pytest.mark.parametrize('metric', METRICS)
@pytest.mark.parametrize('seed', range(3))
def test_slopes_are_those_of_the_values(metric, seed):
    x = torch.linspace(0.013, 0.987, 40, dtype=torch.float64)
    for points in random_curves(metric, seed):
        curve = Curve.from_points(points)
        assert torch.autograd.gradcheck(
            curve, x.clone().requires_grad_(), eps=1e-8, atol=1e-4
        )


def test_the_slope_at_both_ends_is_that_of_the_first_and_last_side():
    curve = Curve.from_points(torch.tensor([[0.2, 0.6]]).double())
    _, slope = curve.value_and_slope(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(slope, torch.tensor([3.0, 0.5]))


shares = st.lists(
    st.one_of(st.sampled_from([0.0, 1.0, 1e-9, 1 - 1e-9]), st.floats(0, 1)),
    min_size=12,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(shares, st.sampled_from([torch.float32, torch.float64]))
@example([0.0] * 7 + [0.1875] * 2 + [0.0] * 3, torch.float32)
def test_any_valid_curve_rises_from_0_to_1_with_finite_slopes(drawn, dtype):
    shape = SURROGATES['mIoU'].shape
    points = decode(torch.tensor(drawn, dtype=torch.float64), shape)
    knots = points[..., 0].flatten().to(dtype)
    x = torch.cat([torch.linspace(0, 1, 101, dtype=dtype), knots])
    x = torch.cat([x, (knots - 1e-7).clamp(0), (knots + 1e-7).clamp(max=1)])
    x = torch.cat([x, torch.tensor([1e-38, 1 - 6e-8], dtype=dtype)]).sort()[0]
    for each in points:
        value, slope = Curve.from_points(each).value_and_slope(x)
        assert value[0] == 0
        assert abs(value[-1].item() - 1) < 1e-6
        assert (value.diff() >= -1e-6).all()
        assert slope.isfinite().all()
        assert (slope >= -1e-4).all()
        assert (slope <= MAX_SLOPE).all()


def test_vertical_ends_keep_the_truth_table():
    points = torch.tensor([[0.0, 0.3], [0.0, 0.6], [1.0, 0.8]]).double()
    value, slope = Curve.from_points(points).value_and_slope(
        torch.tensor([0.0, 1.0, 0.5])
    )
    torch.testing.assert_close(value[:2], torch.tensor([0.0, 1.0]))
    assert 0.6 < value[2] < 1
    assert slope[0] == MAX_SLOPE


MIOU = SURROGATES['mIoU'].shape
ACCURACY = SURROGATES['mAcc'].shape


def test_each_share_is_of_what_is_left():
    actions = torch.tensor([0.5, 0.1, 0.5, 0.5, 0.2, 1.0]).double()
    expected = [[[0.5, 0.1], [0.75, 0.55], [0.8, 1.0]]]
    found = decode(actions, ACCURACY)
    torch.testing.assert_close(found, torch.tensor(expected).double())


def test_decoding_works_on_many_actions_at_once_and_has_gradients():
    actions = torch.rand(5, 3, 12).double().requires_grad_()
    found = decode(actions, MIOU)
    assert found.shape == (5, 3, 2, 3, 2)
    torch.testing.assert_close(found[4, 1], decode(actions[4, 1], MIOU))
    found.sum().backward()
    assert (actions.grad > 0).all()


def test_the_identity_action_of_two_pieces_is_a_quarter_a_third_a_half():
    expected = [1 / 4, 1 / 4, 1 / 3, 1 / 3, 1 / 2, 1 / 2] * 2
    assert identity_action(MIOU).tolist() == pytest.approx(expected)
    points = [[0.25, 0.25], [0.5, 0.5], [0.75, 0.75]]
    torch.testing.assert_close(
        identity_points(MIOU), torch.tensor([points, points]).double()
    )


def test_the_identity_action_of_one_piece_is_a_half():
    assert identity_action(SURROGATES['BF1'].shape).tolist() == [0.5] * 8


@pytest.mark.parametrize('bad', [-0.1, 1.1, float('nan')])
def test_actions_outside_the_unit_interval_are_refused(bad):
    actions = identity_action(MIOU)
    actions[3] = bad
    with pytest.raises(ValueError, match=r'`actions`.*\[0, 1\]'):
        decode(actions, MIOU)


def test_a_wrong_number_of_actions_is_refused():
    with pytest.raises(ValueError, match=r'12 numbers.*\(6,\)'):
        decode(torch.rand(6), MIOU)


@pytest.mark.parametrize('metric', METRICS)
def test_decoded_points_are_valid(metric):
    shape = find_surrogate(metric).shape
    for seed in range(5):
        torch.manual_seed(seed)
        points = decode(torch.rand(shape.num_parameters), shape)
        assert check_points(points, shape).shape == points.shape


@pytest.mark.parametrize('name', NAMED_POINTS)
def test_named_points_are_valid_and_say_where_they_are_from(name):
    named = NAMED_POINTS[name]
    check_points(named.points, find_surrogate(named.metric).shape)
    assert 'Auto Seg-Loss' in named.source
    assert named.defects


@pytest.mark.parametrize(
    ('points', 'said'),
    [
        ([0.1] * 5, 'should be 6 numbers.*Found 5'),
        ([0.1] * 12, 'should be 6 numbers.*Found 12'),
        ([0.1, 0.1, 0.5, 0.5, 0.9, 1.1], r'in \[0, 1\].*1.1'),
        ([-0.1, 0.1, 0.5, 0.5, 0.9, 0.9], r'in \[0, 1\].*-0.1'),
        ([0.1, 0.1, float('nan'), 0.5, 0.9, 0.9], r'in \[0, 1\].*nan'),
        ([0.5, 0.1, 0.4, 0.5, 0.9, 0.9], 'x of curve 1.*0.5 to 0.4'),
        ([0.1, 0.1, 0.4, 0.5, 0.9, 0.3], 'y of curve 1.*0.5 to 0.3.*point 2'),
        (['a'] * 6, 'should be numbers'),
        (None, 'should be numbers'),
        ([[0.1, 0.2], [0.3]], 'should be numbers'),
    ],
)
def test_invalid_points_are_refused_with_the_reason(points, said):
    with pytest.raises(ValueError, match=said):
        check_points(points, ACCURACY)
