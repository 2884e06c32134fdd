"""What every controller promises to the loop, as a suite of tests.

Say how your controller is built, in a class that pytest collects::

    class TestMine(WeightControllerConformance):
        def build(self, **options):
            return Mine(**options)

Which suite fits depends on what the search ends with:

- :class:`ActionControllerConformance`: one action of any kind.
- :class:`ScheduleSearchConformance`: weights for each round, those of its
  winner.
- :class:`StaticSearchConformance`: the best weights of all rounds.
- :class:`WeightControllerConformance`: any other policies.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from mmada.controllers import (
    ActionController,
    Controller,
    PolicyEnsemble,
    Rest,
    Start,
    WeightController,
)
from mmada.testing.controller_rounds import (
    LOSSES,
    PlayedRound,
    assert_same,
    assert_same_result,
    metrics_of,
    play,
    through_a_file,
)


class ControllerConformance:
    """What a controller of any kind promises; see the suites below.

    Attributes:
        options: What the constructor is given. A subclass may change and
            add some; four objectives are what `controller_rounds.LOSSES` has.
        is_random: Whether the seed decides what is proposed.
    """

    options: ClassVar[dict[str, Any]]
    is_random: ClassVar[bool] = True

    def build(self, **options: Any) -> Controller:
        """Return a new controller. To be overridden."""
        raise NotImplementedError

    def found(self, controller: Controller) -> list[Tensor]:
        """Return what a search hands out after at least one round."""
        raise NotImplementedError

    def valid(self, actions: Tensor) -> Tensor:
        """Return whether each number is one that may be proposed."""
        return actions.isfinite()

    def new(self, **changes: Any) -> Any:
        """Return a new controller with some options changed."""
        return self.build(**(self.options | changes))

    def resumed(self, controller: Controller) -> Any:
        """Return a controller that went through a file."""
        resumed = self.new()
        resumed.load_state_dict(through_a_file(controller.state_dict()))
        return resumed

    def assert_found_same(self, first: Controller, second: Controller) -> None:
        """Assert that two searches hand out the same, to the bit."""
        pairs = zip(self.found(first), self.found(second), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)

    def test_actions_are_valid_and_of_the_right_shape(self) -> None:
        controller = self.new()
        shape = controller.num_replicas, controller.action_size
        for actions, _, result in play(controller, 6):
            assert actions.shape == shape
            assert actions.dtype == torch.float64
            assert self.valid(actions).all()
            assert result.rewards.shape == (controller.num_replicas,)
            assert result.rewards.isfinite().all()
            assert all(isinstance(x, float) for x in result.info.values())

    def test_a_plan_has_an_entry_for_each_replica(self) -> None:
        controller = self.new()
        controller.propose(LOSSES)
        plan = controller.plan()
        assert len(plan) == controller.num_replicas
        assert all(isinstance(entry, Start | Rest) for entry in plan)
        assert any(isinstance(entry, Start) for entry in plan)

    def test_the_best_replica_has_the_largest_metric(self) -> None:
        for _, metrics, result in play(self.new(), 6):
            assert result.best == int(metrics.nan_to_num(-torch.inf).argmax())

    def test_same_seed_same_search(self) -> None:
        assert_same(play(self.new(), 6), play(self.new(), 6))

    def test_another_seed_gives_other_actions(self) -> None:
        first, second = (
            self.new(seed=seed).propose(LOSSES) for seed in (0, 1)
        )
        assert torch.equal(first, second) != self.is_random

    def test_the_global_random_stream_is_left_alone(self) -> None:
        before = torch.get_rng_state()
        play(controller := self.new(), 3)
        self.found(controller)
        assert torch.equal(torch.get_rng_state(), before)

    def test_a_resumed_search_continues_to_the_same_bits(self) -> None:
        controller = self.new()
        play(controller, 3)
        resumed = self.resumed(controller)
        assert_same(play(resumed, 3, 3), play(controller, 3, 3))
        self.assert_found_same(resumed, controller)

    def test_an_open_round_survives_a_resume(self) -> None:
        controller = self.new()
        play(controller, 2)
        metrics = metrics_of(controller.propose(LOSSES), 2)
        resumed = self.resumed(controller)
        assert resumed.plan() == controller.plan()
        assert_same_result(
            resumed.observe(metrics, 51.0), controller.observe(metrics, 51.0)
        )
        assert_same(play(resumed, 3, 3), play(controller, 3, 3))

    def test_a_resumed_search_knows_what_it_found(self) -> None:
        controller = self.new()
        play(controller, 2)
        self.assert_found_same(self.resumed(controller), controller)

    @pytest.mark.parametrize('first_fails', [False, True])
    def test_a_search_resumes_between_failed_rounds(
        self, first_fails: bool
    ) -> None:
        controller = self.new()
        play(controller, 2)
        fail = torch.full((controller.num_replicas,), torch.nan)
        metrics = metrics_of(controller.propose(LOSSES), 2)
        controller.observe(fail if first_fails else metrics, 51.0)
        rounds = []
        for search in (controller, self.resumed(controller)):
            actions = search.propose(LOSSES)
            failed = PlayedRound(actions, fail, search.observe(fail, 51.0))
            rounds.append([failed, *play(search, 2, 4)])
        assert_same(*rounds)

    def test_a_state_is_not_changed_by_what_follows(self) -> None:
        controller = self.new()
        play(controller, 3)
        state = controller.state_dict()
        expected = play(controller, 3, 3)
        for _ in range(2):
            resumed = self.new()
            resumed.load_state_dict(state)
            assert_same(play(resumed, 3, 3), expected)
            self.assert_found_same(resumed, controller)

    def test_the_state_of_another_search_is_refused(self) -> None:
        state = self.new().state_dict()
        other = self.new(num_rounds=self.options['num_rounds'] + 1)
        with pytest.raises(ValueError, match='num_rounds'):
            other.load_state_dict(state)

    def test_nothing_to_hand_out_before_the_first_round(self) -> None:
        with pytest.raises(RuntimeError):
            self.found(self.new())

    def test_proposed_actions_are_the_caller_s_own(self) -> None:
        searches = self.new(), self.new()
        results = []
        for search, change in zip(searches, (False, True), strict=True):
            actions = search.propose(LOSSES)
            metrics = metrics_of(actions, 0)
            if change:
                actions.zero_()
            results.append(search.observe(metrics, None))
        assert torch.equal(results[0].rewards, results[1].rewards)
        self.assert_found_same(*searches)
        assert_same(*(play(search, 2, 1) for search in searches))

    def test_the_first_of_equal_replicas_wins(self) -> None:
        controller = self.new()
        controller.propose(LOSSES)
        size = controller.num_replicas
        assert controller.observe(torch.full((size,), 7.0), None).best == 0

    def test_an_invalid_replica_is_never_the_best(self) -> None:
        controller = self.new()
        metrics = metrics_of(controller.propose(LOSSES), 0)
        metrics[metrics.argmax()] = torch.nan
        expected = int(metrics.nan_to_num(-torch.inf).argmax())
        result = controller.observe(metrics, None)
        assert result.best == expected
        assert result.rewards.isfinite().all()
        assert self.valid(controller.propose(LOSSES)).all()

    def test_no_valid_replica_has_no_winner(self) -> None:
        controller = self.new()
        controller.propose(LOSSES)
        fail = torch.full((controller.num_replicas,), torch.nan)
        result = controller.observe(fail, None)
        assert result.best == -1 and not result.updated
        assert result.reason
        assert self.valid(controller.propose(LOSSES)).all()

    def test_a_round_without_a_winner_is_not_counted(self) -> None:
        controller = self.new(num_rounds=1)
        controller.propose(LOSSES)
        fail = torch.full((controller.num_replicas,), torch.nan)
        controller.observe(fail, None)
        play(controller, 1)
        with pytest.raises(RuntimeError):
            controller.propose(LOSSES)

    def test_calls_out_of_order_are_refused(self) -> None:
        controller = self.new()
        metrics = torch.zeros(controller.num_replicas)
        with pytest.raises(RuntimeError, match='propose'):
            controller.observe(metrics, None)
        controller.propose(LOSSES)
        with pytest.raises(RuntimeError, match='observe'):
            controller.propose(LOSSES)

    def test_malformed_metrics_are_refused(self) -> None:
        controller = self.new()
        controller.propose(LOSSES)
        size = controller.num_replicas
        with pytest.raises(ValueError, match='metrics'):
            controller.observe(torch.zeros(size + 1), None)
        with pytest.raises(TypeError, match='metrics'):
            controller.observe([0.0] * size, None)
        with pytest.raises(ValueError, match='reference'):
            controller.observe(torch.zeros(size), float('nan'))
        controller.observe(torch.zeros(size), None)

    @pytest.mark.parametrize(
        ('name', 'value'),
        [
            ('num_rounds', 0),
            ('num_replicas', 0),
            ('num_replicas', 2.0),
            ('num_replicas', True),
            ('seed', -1),
        ],
    )
    def test_bad_numbers_are_refused(self, name: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f'{name}.*{value}'):
            self.new(**{name: value})


class ActionControllerConformance(ControllerConformance):
    """What a controller promises that ends with one action.

    Numbers in [0, 1] are valid, as those of a searched loss are. Override
    `valid` for others.
    """

    options: ClassVar[dict[str, Any]] = dict(
        action_size=6, num_rounds=6, num_replicas=4, seed=0
    )

    def found(self, controller: Controller) -> list[Tensor]:
        """Return the action to go on with."""
        assert isinstance(controller, ActionController)
        return [controller.found_action]

    def valid(self, actions: Tensor) -> Tensor:
        """Return where numbers are in [0, 1]."""
        return (actions >= 0) & (actions <= 1)

    def test_the_found_action_is_a_valid_one(self) -> None:
        controller = self.new()
        play(controller, 2)
        action = controller.found_action
        assert action.shape == (controller.action_size,)
        assert self.valid(action).all()


class WeightControllerConformance(ControllerConformance):
    """What a controller of loss weights promises."""

    options: ClassVar[dict[str, Any]] = dict(
        num_objectives=4, num_rounds=6, num_replicas=4, seed=0
    )

    def found(self, controller: Controller) -> list[Tensor]:
        """Return what the policies are used for."""
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
        """Return where weights are finite and positive."""
        return actions.isfinite() & (actions > 0)

    def test_the_ensemble_gives_valid_weights(self) -> None:
        controller = self.new()
        play(controller, 3)
        ensemble = controller.ensemble()
        assert isinstance(ensemble, PolicyEnsemble)
        torch.testing.assert_close(ensemble.initial_losses, LOSSES)
        for weights in (
            ensemble.best_weights,
            *(ensemble.weights(epoch, 12, LOSSES) for epoch in (1, 7, 12)),
        ):
            assert weights.shape == (controller.num_objectives,)
            assert self.valid(weights).all()

    def test_a_resumed_ensemble_is_of_the_same_search(self) -> None:
        controller = self.new()
        play(controller, 2)
        theirs = controller.ensemble().provenance
        assert self.resumed(controller).ensemble().provenance == theirs

    def test_an_invalid_replica_is_punished(self) -> None:
        controller = self.new()
        metrics = metrics_of(controller.propose(LOSSES), 0)
        metrics[metrics.argmax()] = torch.nan
        result = controller.observe(metrics, None)
        assert (result.rewards[metrics.isnan()] < 0).all()

    @pytest.mark.parametrize(
        'losses',
        [torch.ones(3), torch.ones(4, 1)],
        ids=['too few', 'a matrix'],
    )
    def test_malformed_losses_are_refused(self, losses: Tensor) -> None:
        controller = self.new()
        with pytest.raises(ValueError, match='losses'):
            controller.propose(losses)
        controller.propose(LOSSES)

    @pytest.mark.parametrize('value', [0.0, torch.nan, torch.inf])
    def test_a_loss_that_was_not_measured_counts_as_a_usual_one(
        self, value: float
    ) -> None:
        usual = LOSSES[1:].log().mean().exp()  # of the three that are known
        proposed = [
            self.new().propose(
                torch.cat([torch.tensor([loss]).double(), LOSSES[1:]])
            )
            for loss in (value, usual)
        ]
        assert self.valid(proposed[0]).all()
        torch.testing.assert_close(*proposed)

    def test_a_negative_loss_is_refused_by_name_where_losses_count(
        self,
    ) -> None:
        controller = self.new()
        controller.begin(['cls', 'bbox', 'mask', 'seg'])
        losses = torch.tensor([1.0, -0.1, 1.0, 1.0])
        if not controller.needs_losses:
            assert self.valid(controller.propose(losses)).all()
            return
        with pytest.raises(ValueError, match="Found -0.1 of 'bbox'"):
            controller.propose(losses)
        controller.propose(LOSSES)

    def test_one_objective_is_refused(self) -> None:
        with pytest.raises(ValueError, match='num_objectives.*1'):
            self.new(num_objectives=1)


class _WinnerConformance(WeightControllerConformance):
    """The best weights are those that a winner trained with."""

    def test_the_best_weights_are_not_what_a_caller_made_of_them(self) -> None:
        controller = self.new()
        weights = controller.propose(LOSSES)
        expected = weights[2].clone()
        weights.zero_()
        metrics = torch.zeros(controller.num_replicas)
        metrics[2] = 1.0
        controller.observe(metrics, None)
        assert torch.equal(controller.ensemble().best_weights, expected)


class ScheduleSearchConformance(_WinnerConformance):
    """What a search promises that ends with weights for each round."""

    def test_the_ensemble_holds_one_policy_per_round(self) -> None:
        controller = self.new()
        last = play(controller, 3)[-1]
        ensemble = controller.ensemble()
        assert ensemble.num_rounds == 3
        best = last.actions[last.result.best]
        assert torch.equal(ensemble.best_weights, best)


class StaticSearchConformance(_WinnerConformance):
    """What a search promises that ends with the best weights of all rounds."""

    def test_the_ensemble_holds_the_best_weights_of_all_rounds(self) -> None:
        controller = self.new()
        # The second round has the best metrics, and not the last one.
        rounds = [play(controller, 1, index)[0] for index in (0, 20, 10)]
        metrics = torch.cat([played.metrics for played in rounds])
        winner = metrics.nan_to_num(-torch.inf).argmax()
        best = torch.cat([played.actions for played in rounds])[winner]
        ensemble = controller.ensemble()
        assert ensemble.num_rounds == 1
        assert torch.equal(ensemble.best_weights, best)
        torch.testing.assert_close(ensemble.weights(1, 12, LOSSES), best)
