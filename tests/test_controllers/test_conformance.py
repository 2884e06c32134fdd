"""Every controller of the package, through the conformance suite."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from torch import Tensor

from mmada import controllers
from mmada.controllers import (
    AdaSegment,
    AmLfs,
    AutoSegLossSearch,
    Controller,
    ShuffledRewards,
    WeightController,
)

from .conformance import ControllerConformance
from .weight_conformance import WeightConformance


class TestPaper(WeightConformance):
    def build(self, **changes: Any) -> WeightController:
        return AdaSegment(preset='paper', **(self.size | changes))


class TestStable(WeightConformance):
    def build(self, **changes: Any) -> WeightController:
        return AdaSegment(**(self.size | changes))


class TestStableOddNumberOfReplicas(WeightConformance):
    size = WeightConformance.size | dict(num_replicas=5)

    def build(self, **changes: Any) -> WeightController:
        return AdaSegment(preset='stable', **(self.size | changes))


class TestSearchWithoutLearning(WeightConformance):
    def build(self, **changes: Any) -> WeightController:
        return AdaSegment(kl_limit=0, **(self.size | changes))


class TestStableWithGroups(WeightConformance):
    def build(self, **changes: Any) -> WeightController:
        groups = [[0, 2], [3], [1]]
        return AdaSegment(groups=groups, **(self.size | changes))


class TestAutoSegLoss(ControllerConformance):
    size = dict(action_size=6, num_rounds=6, num_replicas=4, seed=0)

    def build(self, **changes: Any) -> AutoSegLossSearch:
        return AutoSegLossSearch(**(self.size | changes))

    def found(self, controller: Controller) -> list[Tensor]:
        assert isinstance(controller, AutoSegLossSearch)
        return [controller.best_action, controller.mean_action]

    def valid(self, actions: Tensor) -> Tensor:
        return (actions >= 0) & (actions <= 1)


class TestAutoSegLossWithTheMeanAsBaseline(TestAutoSegLoss):
    def build(self, **changes: Any) -> AutoSegLossSearch:
        options = self.size | dict(baseline='mean', lr_decay='linear')
        return AutoSegLossSearch(**(options | changes))


CONTROLLERS = [
    each
    for each in vars(controllers).values()
    if inspect.isclass(each)
    and issubclass(each, Controller)
    and each is not ShuffledRewards  # has those of the one inside
]


@pytest.mark.parametrize('controller', CONTROLLERS)
def test_rounds_come_before_replicas(controller: type[Controller]) -> None:
    _, *names = inspect.signature(controller).parameters
    assert names[:2] == ['num_rounds', 'num_replicas']


WEIGHTS = 'identity generator round pending initial_losses memory'
SURROGATE = 'identity generator learner best round pending'
SHUFFLED = 'identity generator pending winner inner'


@pytest.mark.parametrize(
    ('controller', 'keys'),
    [
        (AmLfs(2, 3, 4), WEIGHTS),
        (AdaSegment(2, 3, 4), WEIGHTS),
        (AutoSegLossSearch(2, 3, 4), SURROGATE),
        (ShuffledRewards(AmLfs(2, 3, 4)), SHUFFLED),
    ],
)
def test_states_hold_what_earlier_versions_stored(
    controller: Controller, keys: str
) -> None:
    """In the same order, on which the digest of a round depends."""
    assert list(controller.state_dict()) == keys.split()
