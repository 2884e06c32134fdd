import math

import pytest
import torch

from mmada.models import (
    ObjectiveError,
    ObjectiveMeter,
    Objectives,
    build_objectives,
)

CASCADE_LOSSES = [
    'loss_rpn_cls',
    'loss_rpn_bbox',
    *(f's{i}.loss_{k}' for i in range(3) for k in ('cls', 'bbox', 'mask')),
    'loss_seg',
]


def test_cascade_preset_has_the_ten_objectives_of_the_paper():
    objectives = build_objectives('cascade_panoptic')
    assert len(objectives) == 10
    assert objectives.names[:4] == ('s0.cls', 's0.bbox', 's0.mask', 's1.cls')
    assert objectives.names[-1] == 'seg'
    objectives.check(CASCADE_LOSSES)
    assert objectives.index('loss_rpn_cls') is None
    assert objectives.index('s2.loss_mask') == 8


def test_cascade_kinds_preset_sums_the_stages():
    objectives = build_objectives('cascade_kinds')
    assert objectives.names == ('cls', 'bbox', 'mask', 'seg')
    losses = {name: torch.tensor(1.0) for name in CASCADE_LOSSES}
    sums = objectives.reduce(losses)
    assert [float(sums[i]) for i in range(4)] == [3, 3, 3, 1]


def test_panoptic_fpn_preset_leaves_the_rpn_out():
    objectives = build_objectives('panoptic_fpn')
    assert objectives.names == ('cls', 'bbox', 'mask', 'seg')
    assert objectives.index('loss_rpn_bbox') is None
    assert objectives.index('loss_bbox') == 1


@pytest.mark.parametrize(
    ('preset', 'size'),
    [
        ('cascade_panoptic', 10),
        ('cascade_kinds', 4),
        ('panoptic_fpn', 4),
        ('mask_rcnn', 3),
    ],
)
def test_each_preset_can_weigh_the_region_proposals_too(preset, size):
    without, objectives = (
        build_objectives(preset),
        build_objectives(f'{preset}_rpn'),
    )
    assert objectives.names == (*without.names, 'rpn')
    assert without.index('loss_rpn_cls') is None
    assert objectives.index('loss_rpn_cls') == size
    assert objectives.index('loss_rpn_bbox') == size
    # mmdet's loss of boxes in a detector of one stage has the same ending.
    assert objectives.index('loss_bbox') == without.index('loss_bbox')


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(ObjectiveError, match='cascade_panoptic.*auto'):
        build_objectives('cascade')


def test_missing_objective_lists_what_the_model_produces():
    objectives = Objectives({'seg': 'loss_sem', 'cls': 'loss_cls'})
    with pytest.raises(ObjectiveError, match="'seg'.*loss_cls, loss_seg"):
        objectives.check(['loss_cls', 'loss_seg'])


def test_a_loss_of_two_objectives_is_refused():
    objectives = Objectives({'a': 'loss_.*', 'b': 'loss_seg'})
    with pytest.raises(ObjectiveError, match='several objectives: a, b'):
        objectives.index('loss_seg')


def test_a_pattern_must_match_the_whole_name():
    objectives = Objectives({'cls': 'loss_cls'})
    assert objectives.index('loss_cls') == 0
    assert objectives.index('loss_cls_aux') is None
    assert objectives.index('d0.loss_cls') is None


def test_names_are_not_taken_for_patterns():
    objectives = Objectives.from_loss_names(['s0.loss', 's0xloss'])
    assert [objectives.index(n) for n in objectives.names] == [0, 1]


def test_bad_pattern_is_named():
    with pytest.raises(ObjectiveError, match="Found '[(]' for 'seg'"):
        Objectives({'seg': '('})
    with pytest.raises(ObjectiveError, match='at least one'):
        Objectives({})


def test_reduce_sums_the_losses_of_a_group():
    objectives = Objectives({'cls': r'(d\d+\.)?loss_cls', 'dice': 'loss_dice'})
    losses = {
        'loss_cls': torch.tensor(1.0),
        'd0.loss_cls': torch.tensor(2.0),
        'd1.loss_cls': torch.tensor(4.0),
        'loss_mask': torch.tensor(8.0),
    }
    assert objectives.reduce(losses) == {0: torch.tensor(7.0)}


def test_meter_averages_over_the_iterations_with_the_loss():
    meter = ObjectiveMeter(Objectives({'a': 'loss_a', 'b': 'loss_b'}))
    meter.update({'loss_a': torch.tensor(1.0), 'loss_b': torch.tensor(5.0)})
    meter.update({'loss_a': torch.tensor(3.0)})
    assert meter.mean().tolist() == [2.0, 5.0]


def test_meter_knows_nothing_of_an_objective_that_never_appeared():
    meter = ObjectiveMeter(Objectives({'a': 'loss_a', 'b': 'loss_b'}))
    meter.update({'loss_a': torch.tensor(1.0)})
    a, b = meter.mean().tolist()
    assert a == 1 and math.isnan(b)
