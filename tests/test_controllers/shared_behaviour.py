"""What the package's own controllers have in common beyond the interface."""

from __future__ import annotations

import pytest
import torch

from mmada.controllers import WeightController
from mmada.testing import ControllerConformance
from mmada.testing.controller_rounds import LOSSES, metrics_of, play


class SharedBehaviour(ControllerConformance):
    """Words of errors, and rewards of rounds without a lesson."""

    def test_another_search_is_named(self) -> None:
        state = self.new().state_dict()
        with pytest.raises(ValueError, match='num_rounds was 6 and is 7'):
            self.new(num_rounds=7).load_state_dict(state)

    def test_a_search_says_why_it_hands_out_nothing(self) -> None:
        with pytest.raises(RuntimeError, match='before a round'):
            self.found(self.new())

    def test_a_finished_search_says_so(self) -> None:
        controller = self.new(num_rounds=1)
        play(controller, 1)
        with pytest.raises(RuntimeError, match='All 1 rounds'):
            controller.propose(LOSSES)

    def test_equal_metrics_teach_nothing(self) -> None:
        controller = self.new()
        controller.propose(LOSSES)
        size = controller.num_replicas
        result = controller.observe(torch.full((size,), 7.0), 3.0)
        assert not result.updated and result.reason
        assert torch.equal(result.rewards, torch.zeros_like(result.rewards))

    def test_invalid_replicas_are_counted(self) -> None:
        controller = self.new()
        metrics = metrics_of(controller.propose(LOSSES), 0)
        metrics[metrics.argmax()] = torch.nan
        result = controller.observe(metrics, None)
        assert result.info['num_valid'] == controller.num_replicas - 1
        if isinstance(controller, WeightController):
            assert result.rewards[metrics.isnan()].tolist() == [-1.0]

    def test_a_round_of_failures_is_explained(self) -> None:
        controller = self.new()
        controller.propose(LOSSES)
        size = controller.num_replicas
        result = controller.observe(torch.full((size,), torch.nan), None)
        assert f'0 of {size} replicas are valid' in result.reason
