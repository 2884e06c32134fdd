"""What every controller promises, as a suite to run each of them through.

A subclass says how its controller is built::

    class TestMine(ControllerConformance):
        size = dict(action_size=4, num_rounds=6, num_replicas=4, seed=0)

        def build(self, **changes):
            return Mine(**(self.size | changes))

Controllers of weights promise more: `weight_conformance.py`.
"""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor

from mmada.controllers import Controller, RoundResult

LOSSES = torch.tensor([0.23, 0.05, 1.17, 0.2], dtype=torch.float64)
History = list[tuple[Tensor, RoundResult]]


def metrics_of(actions: Tensor, round_index: int) -> Tensor:
    """A metric that prefers equal entries and rises from round to round."""
    return 50.0 + round_index - actions.log().square().sum(-1)


def play(controller: Controller, num_rounds: int, first: int = 0) -> History:
    """Run rounds on slowly falling losses."""
    history = []
    for index in range(first, first + num_rounds):
        actions = controller.propose(LOSSES * 0.9**index)
        result = controller.observe(
            metrics_of(actions, index), 50.0 if index else None
        )
        history.append((actions, result))
    return history


def assert_same(first: History, second: History) -> None:
    assert len(first) == len(second)
    for (actions, result), (others, other) in zip(first, second, strict=True):
        assert torch.equal(actions, others)
        assert torch.equal(result.rewards, other.rewards)
        assert result._replace(rewards=None) == other._replace(rewards=None)


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


class ControllerConformance:
    """Subclass it with a name that pytest collects."""

    size: dict[str, Any]

    def build(self, **changes: Any) -> Controller:
        raise NotImplementedError

    def found(self, controller: Controller) -> list[Tensor]:
        """What a search hands out after at least one round."""
        raise NotImplementedError

    def valid(self, actions: Tensor) -> Tensor:
        """Whether each number of an action is one that may be proposed."""
        raise NotImplementedError

    def assert_found_same(self, first: Controller, second: Controller) -> None:
        for ours, theirs in zip(
            self.found(first), self.found(second), strict=True
        ):
            assert torch.equal(ours, theirs)

    def test_actions_are_valid_and_of_the_right_shape(self) -> None:
        controller = self.build()
        shape = controller.num_replicas, controller.action_size
        for actions, result in play(controller, 6):
            assert actions.shape == shape
            assert actions.dtype == torch.float64
            assert self.valid(actions).all()
            assert result.rewards.shape == (controller.num_replicas,)
            assert result.rewards.isfinite().all()
            assert all(isinstance(x, float) for x in result.info.values())

    def test_the_best_replica_has_the_largest_metric(self) -> None:
        for index, (actions, result) in enumerate(play(self.build(), 6)):
            assert result.best == int(metrics_of(actions, index).argmax())

    def test_same_seed_same_search(self) -> None:
        assert_same(play(self.build(), 6), play(self.build(), 6))

    def test_another_seed_gives_other_actions(self) -> None:
        first, second = self.build(), self.build(seed=1)
        assert not torch.equal(first.propose(LOSSES), second.propose(LOSSES))

    def test_the_global_random_stream_is_left_alone(self) -> None:
        before = torch.get_rng_state()
        play(controller := self.build(), 3)
        self.found(controller)
        assert torch.equal(torch.get_rng_state(), before)

    def test_a_resumed_search_continues_to_the_same_bits(self) -> None:
        controller = self.build()
        play(controller, 3)
        state = through_a_file(controller.state_dict())
        resumed = self.build()
        resumed.load_state_dict(state)
        assert_same(play(resumed, 3, 3), play(controller, 3, 3))
        self.assert_found_same(resumed, controller)

    def test_an_open_round_survives_a_resume(self) -> None:
        controller = self.build()
        play(controller, 2)
        metrics = metrics_of(controller.propose(LOSSES), 2)
        resumed = self.build()
        resumed.load_state_dict(through_a_file(controller.state_dict()))
        ours = controller.observe(metrics, 51.0)
        theirs = resumed.observe(metrics, 51.0)
        assert torch.equal(ours.rewards, theirs.rewards)
        assert_same(play(resumed, 3, 3), play(controller, 3, 3))

    def test_a_resumed_search_knows_what_it_found(self) -> None:
        controller = self.build()
        play(controller, 2)
        resumed = self.build()
        resumed.load_state_dict(controller.state_dict())
        self.assert_found_same(resumed, controller)

    @pytest.mark.parametrize('first_fails', [False, True])
    def test_a_search_resumes_between_dead_rounds(
        self, first_fails: bool
    ) -> None:
        controller = self.build()
        play(controller, 2)
        fail = torch.full((controller.num_replicas,), torch.nan)
        metrics = metrics_of(controller.propose(LOSSES), 2)
        controller.observe(fail if first_fails else metrics, 51.0)
        resumed = self.build()
        resumed.load_state_dict(through_a_file(controller.state_dict()))
        results = []
        for search in (controller, resumed):
            actions = search.propose(LOSSES)
            results.append(
                [(actions, search.observe(fail, 51.0)), *play(search, 2, 4)]
            )
        assert_same(*results)

    def test_a_state_is_not_changed_by_what_follows(self) -> None:
        controller = self.build()
        play(controller, 3)
        state = controller.state_dict()
        expected = play(controller, 3, 3)
        for _ in range(2):
            resumed = self.build()
            resumed.load_state_dict(state)
            assert_same(play(resumed, 3, 3), expected)
            self.assert_found_same(resumed, controller)

    def test_the_state_of_another_search_is_refused(self) -> None:
        state = self.build().state_dict()
        with pytest.raises(ValueError, match='num_rounds was 6 and is 7'):
            self.build(num_rounds=7).load_state_dict(state)

    def test_nothing_to_hand_out_before_the_first_round(self) -> None:
        with pytest.raises(RuntimeError, match='before a round'):
            self.found(self.build())

    def test_proposed_actions_are_the_callers_own(self) -> None:
        searches = self.build(), self.build()
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
        controller = self.build()
        controller.propose(LOSSES)
        size = controller.num_replicas
        assert controller.observe(torch.full((size,), 7.0), None).best == 0

    def test_equal_metrics_teach_nothing(self) -> None:
        controller = self.build()
        if not (controller.propose(LOSSES) > 0.01).all():
            pytest.skip('a negative sample is a lesson of its own')
        size = controller.num_replicas
        result = controller.observe(torch.full((size,), 7.0), 3.0)
        assert not result.updated and result.reason
        assert torch.equal(result.rewards, torch.zeros_like(result.rewards))

    def test_an_invalid_replica_is_never_the_best(self) -> None:
        controller = self.build()
        metrics = metrics_of(controller.propose(LOSSES), 0)
        metrics[metrics.argmax()] = torch.nan
        expected = int(metrics.nan_to_num(-1e9).argmax())
        result = controller.observe(metrics, None)
        assert result.best == expected
        assert result.rewards.isfinite().all()
        assert result.info['num_valid'] == controller.num_replicas - 1
        assert self.valid(controller.propose(LOSSES)).all()

    def test_no_valid_replica_has_no_winner(self) -> None:
        controller = self.build()
        controller.propose(LOSSES)
        size = controller.num_replicas
        result = controller.observe(torch.full((size,), torch.nan), None)
        assert result.best == -1 and not result.updated
        assert f'0 of {size} replicas are valid' in result.reason
        assert self.valid(controller.propose(LOSSES)).all()

    def test_a_round_without_a_winner_is_not_counted(self) -> None:
        controller = self.build(num_rounds=1)
        controller.propose(LOSSES)
        controller.observe(
            torch.full((controller.num_replicas,), torch.nan), None
        )
        play(controller, 1)
        with pytest.raises(RuntimeError, match='All 1 rounds'):
            controller.propose(LOSSES)

    def test_calls_out_of_order_are_refused(self) -> None:
        controller = self.build()
        metrics = torch.zeros(controller.num_replicas)
        with pytest.raises(RuntimeError, match='propose'):
            controller.observe(metrics, None)
        controller.propose(LOSSES)
        with pytest.raises(RuntimeError, match='observe'):
            controller.propose(LOSSES)

    def test_malformed_metrics_are_refused(self) -> None:
        controller = self.build()
        controller.propose(LOSSES)
        size = controller.num_replicas
        with pytest.raises(ValueError, match='`metrics`'):
            controller.observe(torch.zeros(size + 1), None)
        with pytest.raises(TypeError, match='`metrics`'):
            controller.observe([0.0] * size, None)  # type: ignore
        with pytest.raises(ValueError, match='`reference`'):
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
        with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
            self.build(**{name: value})
