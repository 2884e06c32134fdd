"""The examples of the page on new methods do what the page says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.registry import TASK_UTILS

from mmada.controllers import WeightController
from mmada.weightings import Weighting
from tests.support import toy
from tests.test_controllers.weight_conformance import WeightConformance
from tests.test_docs.pages import DOCS, read_blocks

EXAMPLES: dict[str, Any] = {}
for _block in read_blocks(DOCS / 'extending.md'):
    if _block.mark is not None:
        exec(_block.text, EXAMPLES)


def build_weighting() -> Weighting:
    return TASK_UTILS.build(dict(type='LaggardWeighting'))


class TestCoolingSearch(WeightConformance):
    def build(self, **changes: Any) -> WeightController:
        return EXAMPLES['CoolingSearch'](**(self.size | changes))


def test_the_search_cools_down() -> None:
    search = EXAMPLES['CoolingSearch'](50, 4, 40, sigma=0.5)
    spreads = []
    for _ in range(4):
        drawn = search.propose(torch.ones(50))
        spreads.append(float((drawn / search._centre).log().std()))
        search.observe(torch.arange(40.0), None)
    assert spreads == pytest.approx([0.5, 0.375, 0.25, 0.125], rel=0.05)


def test_a_loss_that_lags_gets_more_weight() -> None:
    weighting = build_weighting()
    start = torch.tensor([4.0, 1.0], dtype=torch.float64)
    assert weighting.weights(1, 3, start).tolist() == [1.0, 1.0]
    later = torch.tensor([1.0, 0.75], dtype=torch.float64)
    expected = pytest.approx([0.5, 1.5])
    assert weighting.weights(2, 3, later).tolist() == expected
    resumed = build_weighting()
    resumed.load_state_dict(weighting.state_dict())
    assert resumed.weights(2, 3, later).tolist() == expected


def test_the_weighting_trains(tmp_path) -> None:
    hook = dict(
        type='LossWeightingHook', weighting=dict(type='LaggardWeighting')
    )
    runner = toy.runner(
        tmp_path,
        custom_hooks=[hook],
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2),
    )
    runner.train()
    assert sum(runner.model.weights) == pytest.approx(2.0)
    assert runner.model.weights[0] != 1.0


def test_the_search_explores(tmp_path) -> None:
    runner = toy.runner(
        tmp_path,
        train_cfg=toy.exploration(
            controller=dict(type='CoolingSearch', num_replicas=2)
        ),
    )
    runner.train()
    assert (tmp_path / 'policy.safetensors').exists()
