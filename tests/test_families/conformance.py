"""What mmada promises for any family of detectors, as a suite.

A subclass names its family::

    class TestMine(FamilyConformance):
        family = Family(name='Mine', ...)
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import load_checkpoint, save_checkpoint
from torch import Tensor

from mmada.engine import load_policy
from mmada.engine.reward import RewardEvaluator
from mmada.models import Objectives
from tests.support import toy
from tests.test_families import exploring
from tests.test_families.family import ALL
from tests.test_families.gradient_conformance import GradientConformance
from tests.test_families.models import (
    Reference,
    bare,
    batch,
    step,
    wrapped,
)


@pytest.mark.usefixtures('family_scope')
class FamilyConformance(GradientConformance):
    """Subclass it with a name that pytest collects."""

    def test_auto_finds_every_loss(self) -> None:
        model, _ = wrapped(self.family, objectives='auto')
        assert sorted(model.objectives.names) == self.family.loss_names

    def test_patterns_match_the_losses_that_they_should(self) -> None:
        objectives = Objectives(self.family.objectives)
        assert objectives.names == tuple(self.family.losses)
        for i, names in enumerate(self.family.losses.values()):
            assert {objectives.index(name) for name in names} == {i}
        others = [objectives.index(name) for name in self.family.unweighted]
        assert others == [None] * len(others)

    def test_the_probe_finds_the_owners(self, known: Reference) -> None:
        model, optim_wrapper = wrapped(self.family)
        names = {id(p): n for n, p in model.detector.named_parameters()}
        found = {
            names[id(group['params'][0])]: group['objectives']
            for group in optim_wrapper.optimizer.param_groups
        }
        everyone = model.objectives.names
        for name, owners in self.family.owners.items():
            expected = everyone if owners == ALL else owners
            indices = [everyone.index(owner) for owner in expected]
            assert found[name] == sorted(indices), name
        for name in known.parameters:
            owners = [everyone[i] for i in found[name]]
            assert owners == known.owners(name), name

    def test_checkpoints_go_from_bare_to_wrapped_and_back(
        self, tmp_path: Path
    ) -> None:
        model, optim_wrapper = wrapped(self.family)
        step(model, optim_wrapper, self.family)
        first, second = str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth')
        save_checkpoint(dict(state_dict=model.state_dict()), first)
        detector = bare(self.family)
        load_checkpoint(detector, first, strict=True)
        save_checkpoint(dict(state_dict=detector.state_dict()), second)
        back, _ = wrapped(self.family)
        load_checkpoint(back, second, strict=True)
        toy.assert_same_state(back.state_dict(), model.state_dict())
        expected = self.predict(model)
        assert expected
        for other in (detector, back):
            found = self.predict(other)
            assert list(found) == list(expected)
            for key, value in expected.items():
                assert torch.equal(found[key], value), key

    @torch.no_grad()
    def predict(self, model: Any) -> dict[str, Tensor]:
        """Returns what single-precision weights predict."""
        model.float().eval()
        return {
            f'{i}/{key}/{field}': value
            for i, sample in enumerate(model.val_step(batch(self.family)))
            for key in sorted(sample.keys())
            if key.startswith('pred_')
            for field, value in sorted(sample.get(key).items())
            if isinstance(value, Tensor)
        }

    def test_explores_with_its_own_metric(self, explored: Path) -> None:
        rounds = exploring.history(explored)
        assert [record['round'] for record in rounds] == [1, 2]
        for record in rounds:
            assert record['objectives'] == list(self.family.objectives)
            first, second = record['weights']
            assert first != second
            scores = [m[self.family.metric.key] for m in record['metrics']]
            assert all(math.isfinite(s) and s > 0 for s in scores)
            assert all(math.isfinite(loss) for loss in record['losses'])
        policy = load_policy(explored / 'policy.safetensors')
        assert policy.num_rounds == 2
        assert policy.objectives == tuple(self.family.objectives)

    def test_the_bare_detector_scores_as_the_explored_one(
        self, explored: Path, truth: Path
    ) -> None:
        detector = bare(self.family).float()
        path = str(explored / 'explored.pth')
        load_checkpoint(detector, path, strict=True)
        options = exploring.reward(self.family, truth)
        evaluator = RewardEvaluator(
            options['reward_dataloader'],
            options['reward_evaluator'],
            options['reward_metric'],
            seed=0,
        )
        last = exploring.history(explored)[-1]
        found = evaluator.evaluate(detector)
        assert found == last['metrics'][last['best']]
