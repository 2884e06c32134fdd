"""What a step promises for any family: weights, gradients, head rule.

In single precision gradients are compared to 1e-5 of the largest term of a
parameter, since sums are taken in another order; in double to 1e-12.
"""

from __future__ import annotations

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import Tensor

from tests.support import toy
from tests.test_families.family import ALL, Family
from tests.test_families.models import (
    LEARNING_RATE,
    Reference,
    bare,
    gradients_of,
    run,
    step,
    wrapped,
)

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
EPSILON = {torch.float32: 2**-23, torch.float64: 2**-52}


def some_weights(family: Family) -> dict[str, float]:
    """Different weights, on both sides of 1."""
    return {name: 2.9 / 1.7**i for i, name in enumerate(family.objectives)}


class GradientConformance:
    """The part of the suite that compares gradients and steps."""

    family: Family

    def close(
        self, found: Tensor, expected: Tensor, scale: float, name: str
    ) -> None:
        error = float((found - expected).abs().max())
        assert error <= TOLERANCE[self.family.dtype] * scale, name

    @pytest.mark.parametrize('objectives', ['auto', 'patterns'])
    def test_weights_of_ones_change_no_bit(self, objectives: str) -> None:
        given = 'auto' if objectives == 'auto' else None
        detector = bare(self.family)
        model, _ = wrapped(self.family, objectives=given)
        assert set(model.weights) == {1.0}
        total, log_vars = run(detector, self.family)
        weighted, others = run(model, self.family)
        assert torch.equal(weighted, total)
        for name, value in log_vars.items():
            assert torch.equal(others[name], value), name
        expected = gradients_of(detector, total)
        found = gradients_of(model, weighted)
        assert list(found) == list(expected)
        for name, gradient in expected.items():
            other = found[name]
            if gradient is None or other is None:
                assert gradient is other, name
            else:
                assert torch.equal(other, gradient), name

    @pytest.mark.parametrize('mode', ['lr', 'grad'])
    def test_a_step_with_weights_of_ones_is_a_plain_step(
        self, mode: str
    ) -> None:
        detector = bare(self.family)
        plain = build_optim_wrapper(
            detector, dict(optimizer=dict(type='SGD', lr=LEARNING_RATE))
        )
        step(detector, plain, self.family)
        model, optim_wrapper = wrapped(self.family, mode)
        step(model, optim_wrapper, self.family)
        toy.assert_same_state(model.state_dict(), detector.state_dict())

    def test_a_weight_reaches_each_gradient_linearly(
        self, known: Reference
    ) -> None:
        weights = some_weights(self.family)
        model, _ = wrapped(self.family)
        model.set_weights(list(weights.values()))
        total, _ = run(model, self.family)
        found = gradients_of(model, total)
        for name in known.parameters:
            gradient = found[name]
            if gradient is None:
                assert not any(name in g for g in known.gradients.values())
                continue
            expected = known.gradient(name, weights)
            scale = known.scale(name, weights)
            self.close(gradient, expected, scale, name)

    def test_each_objective_counts_in_the_trunk(
        self, known: Reference
    ) -> None:
        """Else the test above could not see a weight that is not applied."""
        everyone = list(self.family.losses)
        trunk = [n for n in known.parameters if known.owners(n) == everyone]
        assert len(trunk) > 5
        for objective in everyone:
            share = max(
                float(known.gradients[objective][name].abs().max())
                / known.scale(name, {})
                for name in trunk
            )
            assert share > 1e3 * TOLERANCE[self.family.dtype], objective

    @pytest.mark.parametrize('mode', ['lr', 'grad'])
    def test_a_step_shields_the_heads_and_no_one_else(
        self, known: Reference, mode: str
    ) -> None:
        weights = some_weights(self.family)
        model, optim_wrapper = wrapped(self.family, mode)
        model.set_weights(list(weights.values()))
        steps = step(model, optim_wrapper, self.family)
        for name, moved in steps.items():
            owners = known.owners(name)
            factor = 1.0
            if 0 < len(owners) < len(weights):
                factor = len(owners) / sum(weights[o] for o in owners)
            expected = -factor * known.gradient(name, weights)
            rounding = EPSILON[moved.dtype] * float(
                (known.parameters[name].abs() + moved.abs()).max()
            )
            scale = factor * known.scale(name, weights)
            scale += rounding / TOLERANCE[moved.dtype]
            self.close(moved, expected, scale, name)

    @pytest.mark.parametrize('mode', ['lr', 'grad'])
    def test_a_head_of_one_objective_steps_as_if_its_weight_were_one(
        self, known: Reference, mode: str
    ) -> None:
        weights = some_weights(self.family)
        moved = []
        for values in ([1.0] * len(weights), list(weights.values())):
            model, optim_wrapper = wrapped(self.family, mode)
            model.set_weights(values)
            moved.append(step(model, optim_wrapper, self.family))
        heads = 0
        for name, owners in self.family.owners.items():
            if len(owners) != 1 or owners == ALL:
                continue
            heads += 1
            first, second = (steps[name] for steps in moved)
            size = float(known.parameters[name].abs().max())
            size += float(first.abs().max())
            self.close(second, first, size, name)
        assert heads
