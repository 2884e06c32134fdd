"""What every controller of weights promises on top."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mmada.controllers import Controller, PolicyEnsemble, WeightController

from .conformance import LOSSES, ControllerConformance, metrics_of, play


class WeightConformance(ControllerConformance):
    """Subclass it with a name that pytest collects."""

    size: dict[str, Any] = dict(
        num_objectives=4, num_rounds=6, num_replicas=4, seed=0
    )

    def build(self, **changes: Any) -> WeightController:
        raise NotImplementedError

    def found(self, controller: Controller) -> list[Tensor]:
        assert isinstance(controller, WeightController)
        ensemble = controller.ensemble()
        rounds = ensemble.num_rounds
        return [
            ensemble.best_weights,
            ensemble.initial_losses,
            ensemble.weights(rounds, rounds, LOSSES),
            torch.tensor(rounds),
        ]

    def valid(self, actions: Tensor) -> Tensor:
        return actions.isfinite() & (actions > 0)

    def test_a_resumed_ensemble_is_of_the_same_search(self) -> None:
        controller, resumed = self.build(), self.build()
        play(controller, 2)
        resumed.load_state_dict(controller.state_dict())
        theirs = controller.ensemble().provenance
        assert resumed.ensemble().provenance == theirs

    def test_the_best_weights_are_not_what_a_caller_made_of_them(self) -> None:
        controller = self.build()
        weights = controller.propose(LOSSES)
        expected = weights[2].clone()
        weights.zero_()
        metrics = torch.zeros(controller.num_replicas)
        metrics[2] = 1.0
        controller.observe(metrics, None)
        assert torch.equal(controller.ensemble().best_weights, expected)

    def test_the_ensemble_holds_one_policy_per_round(self) -> None:
        controller = self.build()
        history = play(controller, 3)
        ensemble = controller.ensemble()
        assert isinstance(ensemble, PolicyEnsemble)
        assert ensemble.num_rounds == 3
        torch.testing.assert_close(ensemble.initial_losses, LOSSES)
        weights, result = history[-1]
        assert torch.equal(ensemble.best_weights, weights[result.best])
        given = ensemble.weights(1, 12, LOSSES)
        assert given.isfinite().all() and (given > 0).all()

    def test_an_invalid_replica_is_punished(self) -> None:
        controller = self.build()
        metrics = metrics_of(controller.propose(LOSSES), 0)
        metrics[metrics.argmax()] = torch.nan
        result = controller.observe(metrics, None)
        assert result.rewards[metrics.isnan()].tolist() == [-1.0]

    @pytest.mark.parametrize(
        'losses',
        [
            torch.ones(3),
            torch.ones(4, 1),
            torch.tensor([1.0, -0.1, 1.0, 1.0]),
            torch.tensor([1.0, torch.nan, 1.0, 1.0]),
            torch.tensor([1.0, torch.inf, 1.0, 1.0]),
        ],
    )
    def test_malformed_losses_are_refused(self, losses: Tensor) -> None:
        controller = self.build()
        with pytest.raises(ValueError, match='`losses`'):
            controller.propose(losses)
        controller.propose(LOSSES)

    def test_losses_of_zero_are_valid(self) -> None:
        weights = self.build().propose(torch.tensor([0.0, 1.0, 1.0, 1.0]))
        assert self.valid(weights).all()

    def test_one_objective_is_refused(self) -> None:
        with pytest.raises(ValueError, match='`num_objectives`.*1'):
            self.build(num_objectives=1)
