"""Every controller of the package, through the conformance suites."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from mmada import controllers
from mmada.controllers import (
    AdaSegment,
    AmLfs,
    AutoSegLossSearch,
    Controller,
    GridSearch,
    PopulationTraining,
    RandomSearch,
    RandomWeights,
    ShuffledRewards,
    WeightController,
)
from mmada.testing import (
    ActionControllerConformance,
    ScheduleSearchConformance,
    StaticSearchConformance,
)
from tests.test_controllers.shared_behaviour import SharedBehaviour


class TestPaper(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return AdaSegment(preset='paper', **options)


class TestPaperInOneStep(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return AdaSegment(
            preset='paper',
            updates_per_round=1,
            first_reference='none',
            **options,
        )


class TestStable(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return AdaSegment(**options)


class TestStableOddNumberOfReplicas(
    SharedBehaviour, ScheduleSearchConformance
):
    options = ScheduleSearchConformance.options | dict(num_replicas=5)

    def build(self, **options: Any) -> WeightController:
        return AdaSegment(preset='stable', **options)


class TestSearchWithoutLearning(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return AdaSegment(kl_limit=0, **options)


class TestStableWithGroups(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return AdaSegment(groups=[[0, 2], [3], [1]], **options)


class TestAutoSegLoss(SharedBehaviour, ActionControllerConformance):
    def build(self, **options: Any) -> AutoSegLossSearch:
        return AutoSegLossSearch(baseline='mu', **options)

    def found(self, controller: Controller) -> list[Tensor]:
        assert isinstance(controller, AutoSegLossSearch)
        assert torch.equal(controller.found_action, controller.best_action)
        return [controller.best_action, controller.mean_action]


class TestAutoSegLossWithTheMeanAsBaseline(TestAutoSegLoss):
    def build(self, **options: Any) -> AutoSegLossSearch:
        return AutoSegLossSearch(baseline='mean', lr_decay='linear', **options)


class TestPopulationTraining(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        # Not ones, which the suite's metric likes best: winners must move.
        return PopulationTraining(initial=[2.0, 0.5, 3.0, 1.0], **options)


class TestPopulationTrainingOfGroups(
    SharedBehaviour, ScheduleSearchConformance
):
    def build(self, **options: Any) -> WeightController:
        return PopulationTraining(
            initial='inverse_loss', groups=[[0, 2], [3, 1]], **options
        )


class TestRandomWeights(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return RandomWeights(**options)


class TestAmLfs(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return AmLfs(**options)


class TestAmLfsOfGroups(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return AmLfs(
            initial='inverse_loss', groups=[[0, 2], [3, 1]], **options
        )


class TestShuffledRewards(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return ShuffledRewards(AdaSegment(**options))


class TestShuffledRewardsOfAnother(SharedBehaviour, ScheduleSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return ShuffledRewards(AmLfs(**options))


class TestRandomSearch(SharedBehaviour, StaticSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return RandomSearch(**options)


class TestRandomSearchOfTwoRounds(SharedBehaviour, StaticSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return RandomSearch(rounds_per_training=2, control=True, **options)


class TestRandomSearchOfGroups(SharedBehaviour, StaticSearchConformance):
    def build(self, **options: Any) -> WeightController:
        return RandomSearch(
            initial='inverse_loss', groups=[[0, 2], [3, 1]], **options
        )


class TestGridSearch(SharedBehaviour, StaticSearchConformance):
    is_random = False

    def build(self, **options: Any) -> WeightController:
        count = options['num_rounds'] * options['num_replicas']
        points = [
            [1 + 0.01 * i, 1.0, 2.0, 1.5] for i in range(max(1, int(count)))
        ]
        return GridSearch(points=points, **options)


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
