from __future__ import annotations

import pytest
import torch

from mmada.surrogates import (
    NAMED_POINTS,
    SURROGATES,
    check_points,
    decode,
    find_surrogate,
    identity_action,
    identity_points,
)
from tests.test_surrogates.cases import METRICS

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
def test_decoded_points_are_legal(metric):
    shape = find_surrogate(metric).shape
    for seed in range(5):
        torch.manual_seed(seed)
        points = decode(torch.rand(shape.num_parameters), shape)
        assert check_points(points, shape).shape == points.shape


@pytest.mark.parametrize('name', NAMED_POINTS)
def test_named_points_are_legal_and_say_where_they_are_from(name):
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
def test_illegal_points_are_refused_with_the_reason(points, said):
    with pytest.raises(ValueError, match=said):
        check_points(points, ACCURACY)
