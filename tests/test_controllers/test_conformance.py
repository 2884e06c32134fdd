"""Every controller of the package, through the conformance suite."""

from __future__ import annotations

from typing import Any

from mmada.controllers import AdaSegment, WeightController

from .conformance import ControllerConformance


class TestPaper(ControllerConformance):
    def build(self, **changes: Any) -> WeightController:
        return AdaSegment(preset='paper', **(self.size | changes))


class TestStable(ControllerConformance):
    def build(self, **changes: Any) -> WeightController:
        return AdaSegment(**(self.size | changes))


class TestStableOddNumberOfReplicas(ControllerConformance):
    size = ControllerConformance.size | dict(num_replicas=5)

    def build(self, **changes: Any) -> WeightController:
        return AdaSegment(preset='stable', **(self.size | changes))


class TestSearchWithoutLearning(ControllerConformance):
    def build(self, **changes: Any) -> WeightController:
        return AdaSegment(lr=0, pull=0, **(self.size | changes))
