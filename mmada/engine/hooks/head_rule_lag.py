"""A warning for weights that change at every iteration."""

from __future__ import annotations

from typing import Any

from mmada.engine.optimizers import head_rule_of
from mmada.engine.optimizers.head_rule import LearningRateHeadRule


def warn_of_lag(runner: Any) -> None:
    """Warns of a head rule that does not keep up with the weights."""
    rule = head_rule_of(runner.optim_wrapper)
    if isinstance(rule, LearningRateHeadRule):
        runner.logger.warning(
            "`head_rule.mode='lr'` divides what is left of earlier "
            'iterations, as momentum and accumulated gradients, by the '
            'weights of the last one. With weights of every iteration '
            "`mode='grad'` is the exact one."
        )
