"""What every weighting promises to its hook, as suites of tests.

Say how your weighting is built, in a class that pytest collects::

    class TestMine(WeightingConformance):
        def build(self):
            return Mine()

There is a suite for each of the three interfaces: `Weighting`,
`StepWeighting` and `GradientWeighting`.
"""

from __future__ import annotations

import copy
import io
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pytest
import torch
from torch import Generator, Tensor

from mmada.weightings import GradientWeighting, StepWeighting, Weighting

PERIODS = 6
"""Epochs, or iterations, of the training that the suites play."""


def losses_of(period: int, size: int) -> Tensor:
    """Return raw losses that fall at different speeds, ``(n,)``, float64.

    Args:
        period: Number of the epoch or iteration, from 0.
        size: Number n of objectives.
    """
    index = torch.arange(size, dtype=torch.float64)
    return (2.0 / (1 + index)) * (0.95 - 0.2 * index / size) ** period


class _AnyWeightingConformance(ABC):
    """What all three interfaces have in common.

    Attributes:
        objectives: Names of the objectives of the training that is played.
        positive: Whether every weight has to be above 0.
    """

    objectives: ClassVar[tuple[str, ...]] = ('cls', 'bbox', 'mask')
    positive: ClassVar[bool] = True

    @abstractmethod
    def build(self) -> Any:
        """Return a new weighting. To be overridden."""

    @abstractmethod
    def train_period(
        self, weighting: Any, period: int, absent: float | None = None
    ) -> Tensor:
        """Return the weights of an epoch or iteration, and let it learn.

        Args:
            weighting: As :meth:`new` returns it.
            period: Number of the epoch or iteration, from 0.
            absent: Loss of the second objective in its stead; None for none.
        """

    def new(self) -> Any:
        """Return a weighting that is ready for the first period."""
        return self.build()

    def train(self, weighting: Any, first: int, last: int) -> Tensor:
        """Return the weights of some periods, one a row."""
        return torch.stack(
            [self.train_period(weighting, k) for k in range(first, last)]
        )

    def assert_valid(self, weights: Tensor) -> None:
        """Assert that a model can train with these weights."""
        assert weights.shape == (len(self.objectives),)
        assert weights.dtype == torch.float64
        assert weights.device.type == 'cpu'
        assert weights.isfinite().all()
        assert (weights >= 0).all()
        assert (weights > 0).all() or not self.positive

    def test_weights_are_valid(self) -> None:
        weighting = self.new()
        for period in range(PERIODS):
            self.assert_valid(self.train_period(weighting, period))

    def test_all_ranks_have_the_same_weights(self) -> None:
        found = []
        with torch.random.fork_rng(devices=[]):
            for seed in range(2):
                torch.manual_seed(seed)
                found.append(self.train(self.new(), 0, PERIODS))
        assert torch.equal(*found)

    def test_the_global_random_stream_is_left_alone(self) -> None:
        before = torch.get_rng_state()
        self.train(self.new(), 0, PERIODS)
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize('done', range(PERIODS))
    def test_a_resumed_training_continues_to_the_same_bits(
        self, done: int
    ) -> None:
        weighting, resumed = self.new(), self.new()
        for period in range(done):
            self.train_period(weighting, period)
        file = io.BytesIO()
        torch.save(weighting.state_dict(), file)
        file.seek(0)
        resumed.load_state_dict(torch.load(file, weights_only=True))
        found = self.train(resumed, done, PERIODS)
        expected = self.train(weighting, done, PERIODS)
        assert torch.equal(found, expected), (
            'After `load_state_dict` the weights differ from those of an '
            'uninterrupted training: what they depend on is not all in the '
            f'state, or is not restored.\n{found}\n{expected}'
        )

    def test_a_state_is_not_changed_by_what_follows(self) -> None:
        weighting = self.new()
        self.train(weighting, 0, 3)
        state = weighting.state_dict()
        kept = copy.deepcopy(state)
        self.train(weighting, 3, PERIODS)
        runs = []
        for each in (kept, state, state):
            resumed = self.new()
            resumed.load_state_dict(each)
            runs.append(self.train(resumed, 3, PERIODS))
        assert all(torch.equal(run, runs[0]) for run in runs), (
            'A state changed after it was taken: it shares tensors with the '
            'weighting that gave it, or with one that loaded it.'
        )

    def test_a_state_of_something_else_is_refused(self) -> None:
        with pytest.raises((KeyError, TypeError, ValueError)):
            self.new().load_state_dict({'no such entry': 0})

    def test_weights_are_the_caller_s_own(self) -> None:
        first, second = self.new(), self.new()
        for period in range(PERIODS):
            weights = self.train_period(first, period)
            assert torch.equal(weights, self.train_period(second, period))
            weights.zero_()

    def test_a_loss_of_zero_is_survived(self) -> None:
        self._survives(0.0)

    def _survives(self, absent: float) -> None:
        """Assert that weights stay valid where an objective is absent."""
        weighting = self.new()
        for period in range(PERIODS):
            given = absent if period in (0, 2, 3) else None
            weights = self.train_period(weighting, period, given)
            self.assert_valid(weights)


class WeightingConformance(_AnyWeightingConformance):
    """What a `Weighting` promises, which sets the weights once an epoch."""

    @abstractmethod
    def build(self) -> Weighting:
        """Return a new weighting. To be overridden."""

    def train_period(
        self, weighting: Any, period: int, absent: float | None = None
    ) -> Tensor:
        """Return the weights of an epoch; the losses are used up then."""
        losses = losses_of(period, len(self.objectives))
        if absent is not None:
            losses[1] = absent
        if period == 0 and not weighting.needs_losses:
            losses[:] = torch.nan
        expected = losses.clone()
        weights = weighting.weights(period + 1, PERIODS, losses)
        assert torch.equal(losses.nan_to_num(-1), expected.nan_to_num(-1))
        losses.fill_(torch.nan)  # what is remembered has to be a copy
        return weights

    def test_a_hook_takes_it(self) -> None:
        assert isinstance(self.new(), Weighting)

    def test_a_loss_that_was_never_measured_is_survived(self) -> None:
        self._survives(torch.nan)


class StepWeightingConformance(_AnyWeightingConformance):
    """What a `StepWeighting` promises, which sets them at every iteration."""

    positive: ClassVar[bool] = False

    @abstractmethod
    def build(self) -> StepWeighting:
        """Return a new weighting. To be overridden."""

    def new(self) -> StepWeighting:
        """Return a weighting that knows the objectives."""
        weighting = self.build()
        weighting.begin(self.objectives)
        return weighting

    def train_period(
        self, weighting: Any, period: int, absent: float | None = None
    ) -> Tensor:
        """Return the weights of an iteration, in the order of the hook."""
        losses = losses_of(period, len(self.objectives))
        after = losses_of(period + 1, len(self.objectives))
        if absent is not None:
            losses[1] = after[1] = absent
        weights = weighting.weights(period, PERIODS)
        if weighting.weighs_by_losses:
            self.assert_valid(weights)
            weights = weighting.weights_by_losses(losses.clone())
        given = [losses.clone(), after.clone()]
        if weighting.needs_losses:
            weighting.observe(given[0])
        if weighting.needs_losses_after_step:
            given[0].fill_(torch.nan)  # what is remembered has to be a copy
            weighting.observe_after_step(given[1])
        return weights

    def test_a_hook_takes_it(self) -> None:
        assert isinstance(self.new(), StepWeighting)

    def test_an_absent_objective_is_survived(self) -> None:
        self._survives(torch.nan)


class GradientWeightingConformance(_AnyWeightingConformance):
    """What a `GradientWeighting` promises, which looks at gradients."""

    @abstractmethod
    def build(self) -> GradientWeighting:
        """Return a new weighting. To be overridden."""

    def train_period(
        self, weighting: Any, period: int, absent: float | None = None
    ) -> Tensor:
        """Return the weights of an iteration, a period of its own."""
        size = len(self.objectives)
        losses = losses_of(period, size)
        gradients = torch.randn(
            size, 7, generator=Generator().manual_seed(period)
        )
        if absent is not None:
            losses[1] = absent
            gradients[1] = 0
        expected = gradients.clone()
        weights = weighting.weights(losses, gradients)
        assert torch.equal(gradients, expected)
        weighting.end_period(losses)
        losses.fill_(torch.nan)  # what is remembered has to be a copy
        gradients.fill_(torch.nan)
        return weights

    def test_a_hook_takes_it(self) -> None:
        assert isinstance(self.new(), GradientWeighting)

    def test_gradients_of_zero_are_survived(self) -> None:
        weighting, size = self.new(), len(self.objectives)
        for _ in range(2):
            nothing = torch.zeros(size, 7)
            self.assert_valid(weighting.weights(losses_of(0, size), nothing))
            self.assert_valid(self.train_period(weighting, 1))
