"""Which losses share a weight: few by themselves, many by their kind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mmada.commands.adapt.objectives import group_losses
from mmada.models.objectives import Objectives

MASK_RCNN = ['loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox']
CASCADE = [
    'loss_rpn_cls',
    'loss_rpn_bbox',
    *(f's{k}.loss_{kind}' for k in range(3) for kind in ('cls', 'bbox')),
]
DINO = [
    f'{layer}{query}loss_{kind}'
    for layer in ('', 'd0.', 'd1.', 'd10.')
    for query in ('', 'dn_')
    for kind in ('cls', 'bbox')
] + ['enc_loss_cls', 'enc_loss_bbox']

# As heads of MMDetection3D name them.
CENTER_POINT = [
    f'task{task}.loss_{kind}'
    for task in range(6)
    for kind in ('heatmap', 'bbox')
]
GROUP_FREE = [
    'sampling_objectness_loss',
    *(
        f'{stage}.{kind}_loss'
        for stage in ('proposal', 's0', 's1', 's10')
        for kind in ('objectness', 'dir_class')
    ),
]


def assigned(losses: Sequence[str], proposals: bool) -> dict[str, str]:
    """The objective of each loss, as the patterns themselves find it."""
    patterns = group_losses(losses, proposals).patterns
    assert patterns is not None
    objectives = Objectives(patterns)
    found = {loss: objectives.index(loss) for loss in losses}
    return {
        loss: objectives.names[i] for loss, i in found.items() if i is not None
    }


def kind(loss: str) -> str:
    return 'rpn' if 'rpn' in loss else loss.rpartition('_')[2]


def test_few_losses_are_one_objective_each() -> None:
    losses = ['loss_cls', 'loss_bbox', 'loss_iou']
    found = group_losses(losses, proposals=True)
    assert found.patterns is None
    assert found.names == tuple(losses)


def test_region_proposals_are_one_objective() -> None:
    found = group_losses(MASK_RCNN, proposals=True)
    assert found.patterns == dict(
        rpn='loss_rpn_.*', cls='loss_cls', bbox='loss_bbox'
    )
    assert 'region proposals get a weight, too' in found.reason


def test_region_proposals_are_left_out() -> None:
    found = group_losses(MASK_RCNN, proposals=False)
    assert found.patterns == dict(cls='loss_cls', bbox='loss_bbox')
    assert 'region proposals keep weight 1' in found.reason
    assert assigned(CASCADE, proposals=False) == {
        loss: kind(loss) for loss in CASCADE if 'rpn' not in loss
    }


@pytest.mark.parametrize('proposals', [True, False])
def test_region_proposals_alone_are_weighted(proposals: bool) -> None:
    found = group_losses(MASK_RCNN[:2], proposals)
    assert found.names == ('loss_rpn_cls', 'loss_rpn_bbox')
    assert 'proposals' not in found.reason


def test_stages_of_a_cascade_share_a_weight() -> None:
    assert assigned(CASCADE, proposals=True) == {
        loss: kind(loss) for loss in CASCADE
    }
    assert group_losses(CASCADE, True).names == ('rpn', 'cls', 'bbox')


def test_layers_and_queries_of_a_decoder_share_a_weight() -> None:
    assert assigned(DINO, proposals=False) == {
        loss: kind(loss) for loss in DINO
    }
    assert 'proposals' not in group_losses(DINO, False).reason


def test_tasks_of_a_head_share_a_weight() -> None:
    assert assigned(CENTER_POINT, proposals=False) == {
        loss: kind(loss) for loss in CENTER_POINT
    }
    found = group_losses(CENTER_POINT, False)
    assert found.patterns == dict(
        heatmap=r'task\d+\.loss_heatmap', bbox=r'task\d+\.loss_bbox'
    )


def test_kinds_that_end_in_loss_are_grouped_as_well() -> None:
    assert group_losses(GROUP_FREE, False).patterns == dict(
        sampling_objectness='sampling_objectness_loss',
        objectness=[
            r'proposal\.objectness_loss',
            r's\d+\.objectness_loss',
        ],
        dir_class=[r'proposal\.dir_class_loss', r's\d+\.dir_class_loss'],
    )


@pytest.mark.parametrize(
    ('heads', 'pattern'),
    [
        (['rpn_loss_cls', 'rpn_loss_centerness'], 'rpn_.*'),
        (['loss_rpn_cls', 'rpn_loss_anchor'], ['loss_rpn_.*', 'rpn_.*']),
        (['s0.loss_rpn_reg', 's1.loss_rpn_reg'], r's\d+\.loss_rpn_.*'),
    ],
    ids=['FCOS', 'guided anchoring', 'Cascade RPN'],
)
def test_any_head_may_make_the_proposals(
    heads: list[str], pattern: str | list[str]
) -> None:
    losses = [*heads, 'loss_cls', 'loss_bbox']
    rest = dict(cls='loss_cls', bbox='loss_bbox')
    assert group_losses(losses, proposals=False).patterns == rest
    found = group_losses(losses, proposals=True)
    assert found.patterns == dict(rpn=pattern, **rest)
    assert assigned(losses, True) == {loss: kind(loss) for loss in losses} | {
        head: 'rpn' for head in heads
    }


def test_losses_of_one_kind_alone_stay_apart() -> None:
    losses = [f'aux_{k}.loss_ce' for k in range(7)]
    assert group_losses(losses, False).patterns is None
    assert group_losses(losses, False).names == tuple(losses)


def test_losses_that_are_not_known() -> None:
    assert group_losses([], proposals=False)[:2] == (None, ())
