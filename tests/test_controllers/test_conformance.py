"""Every controller of the package, through the conformance suite."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mmada.controllers import (
    AdaSegment,
    AutoSegLossSearch,
    Controller,
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

    def legal(self, actions: Tensor) -> Tensor:
        return (actions >= 0) & (actions <= 1)


class TestAutoSegLossWithTheMeanAsBaseline(TestAutoSegLoss):
    def build(self, **changes: Any) -> AutoSegLossSearch:
        options = self.size | dict(baseline='mean', lr_decay='linear')
        return AutoSegLossSearch(**(options | changes))
