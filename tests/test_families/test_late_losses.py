"""Losses that a detector does not have in every iteration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmada.engine.probe import MAX_BATCHES, probe_objectives
from mmada.models import LossWeightWrapper, ObjectiveError
from mmada.testing.detector_case import head_rule, seed
from tests.test_families.two_stage import TWO_STAGE

CASCADE = TWO_STAGE[2]
LOSSES = sorted(
    [f's{i}.loss_{kind}' for i in range(3) for kind in ('cls', 'bbox', 'mask')]
    + ['loss_rpn_bbox', 'loss_rpn_cls']
)


@pytest.fixture
def model() -> LossWeightWrapper:
    """A cascade that weights all losses."""
    init_default_scope('mmdet')
    return LossWeightWrapper(CASCADE.bare())


def without_proposals(
    model: LossWeightWrapper, monkeypatch: Any, batches: int
) -> None:
    """Lets the RPN find nothing in the first batches, which are empty."""
    head = model.rpn_head
    whole = head.loss_and_predict
    calls: list[None] = []

    def fewer(*args: Any, **options: Any) -> tuple[Any, list[InstanceData]]:
        losses, proposals = whole(*args, **options)
        calls.append(None)
        if len(calls) <= batches:
            proposals = [found[:0] for found in proposals]
        return losses, proposals

    monkeypatch.setattr(head, 'loss_and_predict', fewer)


def stream(empty: int) -> Iterator[dict[str, Any]]:
    """Yields batches, the first ones without an object."""
    for index in range(9):
        data = CASCADE.batch()
        if index < empty:
            for sample in data['data_samples']:
                sample.gt_instances = sample.gt_instances[:0]
        yield data


def probe(model: LossWeightWrapper, empty: int) -> dict[str, list[str]]:
    """Returns the owners that are found, by parameter."""
    optim_wrapper = head_rule(model, 'lr')
    seed()
    probe_objectives(model, optim_wrapper, stream(empty))
    names = {id(p): n for n, p in model.named_parameters()}
    return {
        names[id(group['params'][0])]: [
            model.objective_weights.objectives.names[i]
            for i in group['objectives']
        ]
        for group in optim_wrapper.optimizer.param_groups
    }


@pytest.mark.parametrize('batches', [0, 1, MAX_BATCHES - 1])
def test_auto_waits_for_the_stages_of_a_cascade(
    model: LossWeightWrapper, monkeypatch: Any, batches: int
) -> None:
    without_proposals(model, monkeypatch, batches)
    owners = probe(model, batches)
    assert sorted(model.objective_weights.objectives.names) == LOSSES
    box_head = 'roi_head.bbox_head.2'
    assert owners[f'{box_head}.fc_cls.weight'] == ['s2.loss_cls']
    assert sorted(owners[f'{box_head}.shared_fcs.0.weight']) == [
        's2.loss_bbox',
        's2.loss_cls',
    ]
    assert sorted(owners['backbone.conv1.weight']) == LOSSES


def test_auto_does_not_wait_for_ever(
    model: LossWeightWrapper, monkeypatch: Any
) -> None:
    without_proposals(model, monkeypatch, MAX_BATCHES)
    owners = probe(model, MAX_BATCHES)
    assert sorted(model.objective_weights.objectives.names) == [
        'loss_rpn_bbox',
        'loss_rpn_cls',
        's0.loss_bbox',
        's0.loss_mask',
    ]
    assert owners['roi_head.bbox_head.2.fc_cls.weight'] == []


def test_stages_that_are_asked_for_have_to_come(monkeypatch: Any) -> None:
    init_default_scope('mmdet')
    stages = {f's{i}': rf's{i}\..*' for i in range(3)}
    model = LossWeightWrapper(CASCADE.bare(), stages)
    without_proposals(model, monkeypatch, MAX_BATCHES)
    with pytest.raises(ObjectiveError, match="'s1', 's2'.*s0.loss_bbox"):
        probe(model, MAX_BATCHES)


def test_kinds_are_there_without_the_later_stages(monkeypatch: Any) -> None:
    init_default_scope('mmdet')
    model = LossWeightWrapper(CASCADE.bare(), CASCADE.objectives)
    without_proposals(model, monkeypatch, 1)
    owners = probe(model, 1)
    assert owners['roi_head.bbox_head.0.fc_cls.weight'] == ['cls']
