"""What mmada promises for a detector, as a suite of tests.

Describe your detector, in a class that pytest collects::

    class TestMine(DetectorConformance):
        case = DetectorCase(
            detector=dict(type='RetinaNet', ...),
            objectives=dict(cls='loss_cls', bbox='loss_bbox'),
            batch=make_batch,
        )
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import load_checkpoint, save_checkpoint
from torch import Tensor

from mmada.engine import load_policy
from mmada.engine.reward import RewardEvaluator, RewardMetric
from mmada.models import Objectives
from mmada.testing.detector_case import (
    ALL,
    LEARNING_RATE,
    DetectorCase,
    Reference,
    gradients_of,
    reference,
)
from mmada.testing.detector_training import (
    batch_dataloader,
    explore,
    read_lines,
    train,
)

_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
_EPSILON = {torch.float32: 2**-23, torch.float64: 2**-52}


class DetectorConformance:
    """What mmada promises for a detector.

    Weights of ones change no bit; a weight reaches every gradient linearly;
    the head rule shields the heads; owners are found; checkpoints go from
    the bare detector to the wrapped one and back; gradients of the trunk can
    be compared; and an exploration runs.

    Attributes:
        case: The detector.
    """

    case: ClassVar[DetectorCase]

    def dataloader(self) -> dict[str, Any]:
        """Return the config of training data; the case's batch by default."""
        return batch_dataloader(self.case)

    def reward(self, folder: Path) -> dict[str, Any]:
        """Return how a replica of an exploration is scored.

        Args:
            folder: An empty one, for files of annotations.

        Returns:
            `reward_dataloader`, `reward_evaluator` and `reward_metric` of
            ParallelExplorationLoop; by default any number that depends on
            what is predicted for the batch.
        """
        return dict(
            reward_dataloader=batch_dataloader(self.case),
            reward_evaluator=dict(type='PredictionMean'),
            reward_metric='mmada/prediction_mean',
        )

    @pytest.fixture(scope='class', autouse=True)
    @classmethod
    def scope(cls) -> Iterator[None]:
        """Build from where the detector is registered; leave no trace."""
        kept = dict(DefaultScope._instance_dict)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        init_default_scope(cls.case.scope)
        yield
        torch.set_num_threads(threads)
        DefaultScope._instance_dict.clear()
        DefaultScope._instance_dict.update(kept)

    @pytest.fixture(scope='class')
    @classmethod
    def known(cls, scope: None) -> Reference:
        """Gradients of the bare detector."""
        return reference(cls.case)

    @pytest.fixture(scope='class')
    @classmethod
    def reward_options(
        cls, scope: None, tmp_path_factory: Any
    ) -> dict[str, Any]:
        """How a replica is scored."""
        return cls().reward(tmp_path_factory.mktemp('reward'))

    @pytest.fixture(scope='class')
    @classmethod
    def explored(
        cls, reward_options: dict[str, Any], tmp_path_factory: Any
    ) -> Path:
        """Work directory of an exploration."""
        folder: Path = tmp_path_factory.mktemp('explored')
        explore(cls.case, folder, cls().dataloader(), reward_options)
        return folder

    @property
    def names(self) -> list[str]:
        """The objectives."""
        return list(self.case.objectives)

    @property
    def weights(self) -> dict[str, float]:
        """Different weights, on both sides of 1."""
        return {name: 2.9 / 1.7**i for i, name in enumerate(self.names)}

    @property
    def tolerance(self) -> float:
        """That of the case, or of its precision."""
        return self.case.tolerance or _TOLERANCE[self.case.dtype]

    def assert_close(
        self, found: Tensor, expected: Tensor, scale: float, name: str
    ) -> None:
        """Assert that a gradient or step is right but for rounding."""
        error = (found - expected).abs().max().item()
        assert error <= self.tolerance * scale, name

    def test_auto_finds_every_loss(self, known: Reference) -> None:
        model, _ = self.case.wrapped(objectives='auto')
        expected = [name for group in known.losses.values() for name in group]
        assert sorted(model.objective_weights.objectives.names) == sorted(
            expected
        )

    def test_patterns_match_the_losses_that_they_should(
        self, known: Reference
    ) -> None:
        objectives = Objectives(self.case.objectives)
        assert list(objectives.names) == self.names
        for objective, losses in known.losses.items():
            assert losses, f'{objective} has no loss'
            found = {objectives.index(name) for name in losses}
            if objective is None:
                assert found == {None}
            else:
                assert found == {self.names.index(objective)}

    @pytest.mark.parametrize('objectives', ['auto', 'patterns'])
    def test_weights_of_ones_change_no_bit(self, objectives: str) -> None:
        given = 'auto' if objectives == 'auto' else None
        detector = self.case.bare()
        model, _ = self.case.wrapped(objectives=given)
        assert set(model.objective_weights.values) == {1.0}
        total, log_vars = self.case.run(detector)
        weighted, others = self.case.run(model)
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
        detector = self.case.bare()
        plain = build_optim_wrapper(
            detector, dict(optimizer=dict(type='SGD', lr=LEARNING_RATE))
        )
        self.case.step(detector, plain)
        model, optim_wrapper = self.case.wrapped(mode)
        self.case.step(model, optim_wrapper)
        _assert_same_state(model, detector)

    def test_the_loss_is_the_weighted_sum(self, known: Reference) -> None:
        weights = self.weights
        model, _ = self.case.wrapped()
        model.objective_weights.set(list(weights.values()))
        total, log_vars = self.case.run(model)
        terms = [
            weights.get(objective or '', 1.0) * log_vars[name]
            for objective, names in known.losses.items()
            for name in names
        ]
        size = max(abs(term.item()) for term in terms)
        self.assert_close(total, torch.stack(terms).sum(), size, 'loss')

    def test_a_weight_reaches_each_gradient_linearly(
        self, known: Reference
    ) -> None:
        weights = self.weights
        model, _ = self.case.wrapped()
        model.objective_weights.set(list(weights.values()))
        total, _ = self.case.run(model)
        found = gradients_of(model, total)
        for name in known.parameters:
            gradient = found[name]
            if gradient is None:
                assert not any(name in g for g in known.gradients.values())
                continue
            expected = known.gradient(name, weights)
            scale = known.scale(name, weights)
            self.assert_close(gradient, expected, scale, name)

    def test_each_objective_counts_in_the_trunk(
        self, known: Reference
    ) -> None:
        """Else the test above could not see a weight that is not applied."""
        trunk = known.trunk()
        assert trunk, 'no parameter is reached by all objectives'
        for objective in self.names:
            share = max(
                float(known.gradients[objective][name].abs().max())
                / known.scale(name, {})
                for name in trunk
            )
            assert share > 1e3 * self.tolerance, objective

    def test_the_owners_are_found(self, known: Reference) -> None:
        model, optim_wrapper = self.case.wrapped()
        names = {id(p): n for n, p in model.named_parameters()}
        found = {
            names[id(group['params'][0])]: [
                self.names[i] for i in group['objectives']
            ]
            for group in optim_wrapper.optimizer.param_groups
        }
        for name, owners in (self.case.owners or {}).items():
            expected = self.names if owners == ALL else owners
            assert sorted(found[name]) == sorted(expected), name
        for name in known.parameters:
            assert found[name] == known.owners(name), name

    @pytest.mark.parametrize('mode', ['lr', 'grad'])
    def test_a_step_shields_the_heads_and_nothing_else(
        self, known: Reference, mode: str
    ) -> None:
        weights = self.weights
        model, optim_wrapper = self.case.wrapped(mode)
        model.objective_weights.set(list(weights.values()))
        steps = self.case.step(model, optim_wrapper)
        for name, moved in steps.items():
            owners = known.owners(name)
            factor = 1.0
            if 0 < len(owners) < len(weights):
                factor = len(owners) / sum(weights[o] for o in owners)
            expected = -factor * known.gradient(name, weights)
            rounding = _EPSILON[moved.dtype] * float(
                (known.parameters[name].abs() + moved.abs()).max()
            )
            scale = factor * known.scale(name, weights)
            scale += rounding / self.tolerance
            self.assert_close(moved, expected, scale, name)

    @pytest.mark.parametrize('mode', ['lr', 'grad'])
    def test_a_head_of_one_objective_steps_as_if_its_weight_were_one(
        self, known: Reference, mode: str
    ) -> None:
        weights = self.weights
        moved = []
        for values in ([1.0] * len(weights), list(weights.values())):
            model, optim_wrapper = self.case.wrapped(mode)
            model.objective_weights.set(values)
            moved.append(self.case.step(model, optim_wrapper))
        unweighted = known.gradients.get(None, {})  # move a head as well
        for name in known.parameters:
            if len(known.owners(name)) != 1 or name in unweighted:
                continue
            first, second = (steps[name] for steps in moved)
            size = float(known.parameters[name].abs().max())
            size += float(first.abs().max())
            self.assert_close(second, first, size, name)

    def test_checkpoints_go_from_bare_to_wrapped_and_back(
        self, tmp_path: Path
    ) -> None:
        case = self.case
        model, optim_wrapper = case.wrapped()
        case.step(model, optim_wrapper)
        first, second = str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth')
        save_checkpoint(dict(state_dict=model.state_dict()), first)
        detector = case.bare()
        load_checkpoint(detector, first, strict=True)
        save_checkpoint(dict(state_dict=detector.state_dict()), second)
        back, _ = case.wrapped()
        load_checkpoint(back, second, strict=True)
        _assert_same_state(back, model)
        expected = case.predict(model)
        assert expected
        for other in (detector, back):
            found = case.predict(other)
            assert list(found) == list(expected)
            for key, value in expected.items():
                assert torch.equal(found[key], value), key

    def test_gradients_of_the_trunk_give_weights(
        self, known: Reference, tmp_path: Path
    ) -> None:
        if not known.trunk():
            pytest.skip('no parameter is reached by all objectives')
        hook = dict(
            type='GradientWeightingHook',
            weighting=dict(type='GradNorm'),
            interval=1,
        )
        train(
            self.case,
            tmp_path,
            self.dataloader(),
            'grad',
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=3),
            custom_hooks=[hook],
        )
        records = read_lines(tmp_path / 'weights.jsonl')
        assert records[0]['objectives'] == self.names
        for record in records:
            assert all(weight > 0 for weight in record['weights'])
            assert sum(record['weights']) == pytest.approx(len(self.names))

    def test_it_explores(
        self, explored: Path, reward_options: dict[str, Any]
    ) -> None:
        key = RewardMetric(reward_options['reward_metric']).key
        rounds = read_lines(explored / 'exploration/history.jsonl')
        assert [record['round'] for record in rounds] == [1, 2]
        for record in rounds:
            assert record['objectives'] == self.names
            first, second = record['weights']
            assert first != second
            assert all(math.isfinite(m[key]) for m in record['metrics'])
            assert all(math.isfinite(loss) for loss in record['losses'])
        policy = load_policy(explored / 'policy.safetensors')
        assert policy.num_rounds == 2
        assert list(policy.objectives) == self.names

    def test_the_bare_detector_scores_as_the_explored_one(
        self, explored: Path, reward_options: dict[str, Any]
    ) -> None:
        detector = self.case.bare().float()
        load_checkpoint(detector, str(explored / 'explored.pth'), strict=True)
        evaluator = RewardEvaluator(
            reward_options['reward_dataloader'],
            reward_options['reward_evaluator'],
            reward_options['reward_metric'],
            seed=0,
        )
        last = read_lines(explored / 'exploration/history.jsonl')[-1]
        found = evaluator.evaluate(detector)
        assert found == last['metrics'][last['best']]


def _assert_same_state(first: Any, second: Any) -> None:
    """Assert that two models have equal states, to the bit."""
    ours, theirs = first.state_dict(), second.state_dict()
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
