"""Controllers and weightings, as a config names them."""

from __future__ import annotations

from typing import Any

from mmengine.registry import TASK_UTILS

from mmada import controllers, weightings
from mmada.utils.seeding import derive_seed

# The mathematics knows nothing of a registry, so it is registered from here.
for _class in (
    controllers.AdaSegment,
    controllers.AmLfs,
    controllers.AutoSegLossSearch,
    controllers.BohbSearch,
    controllers.GridSearch,
    controllers.PopulationTraining,
    controllers.RandomSearch,
    controllers.RandomWeights,
    controllers.SlopeSearch,
    weightings.StaticWeighting,
    weightings.InverseLossWeighting,
    weightings.GradNorm,
    weightings.AggregatorWeighting,
    weightings.DynamicWeightAverage,
    weightings.Famo,
    weightings.RandomLossWeighting,
    weightings.ScheduledWeighting,
    weightings.UncertaintyWeighting,
):
    TASK_UTILS.register_module(module=_class)


@TASK_UTILS.register_module()
class ShuffledRewards(controllers.ShuffledRewards):
    """Builds the inner controller from its config.

    The inner one gets what a search hands to its controller, as if it were
    not wrapped: its proposals are those of the search without this control
    until it has learned something else.

    Args:
        controller: Config of the inner controller.
        seed: Seed of the search; that of the permutations is derived.
        **arguments: What every controller of weights gets from its search.

    Raises:
        ValueError: If ``controller`` is no config, or what it builds does
            not fit.
    """

    def __init__(
        self, controller: dict[str, Any], seed: int = 0, **arguments: Any
    ) -> None:
        if not isinstance(controller, dict) or 'type' not in controller:
            raise ValueError(
                '`controller` of ShuffledRewards should be the config of a '
                f'controller. Found {controller!r}.'
            )
        inner = TASK_UTILS.build(
            controller, default_args=dict(arguments, seed=seed)
        )
        super().__init__(inner, derive_seed(seed, 'shuffled rewards'))
