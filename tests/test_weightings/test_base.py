"""The interfaces that all weightings share."""

from __future__ import annotations

import pytest

from mmada.weightings import GradientWeighting, StepWeighting, Weighting
from mmada.weightings.base import BaseWeighting


class Epochs(Weighting):
    weights = None  # type: ignore[assignment]


class Steps(StepWeighting):
    weights = None  # type: ignore[assignment]


class Gradients(GradientWeighting):
    weights = None  # type: ignore[assignment]


@pytest.mark.parametrize('kind', [Epochs, Steps, Gradients])
def test_what_keeps_no_state_takes_none(kind: type[BaseWeighting]) -> None:
    weighting = kind()
    assert weighting.state_dict() == {}
    weighting.load_state_dict({})
    with pytest.raises(ValueError, match=rf"{kind.__name__}.*\['losses'\]"):
        weighting.load_state_dict(dict(losses=1))


@pytest.mark.parametrize('base', [Weighting, StepWeighting, GradientWeighting])
def test_weights_are_to_be_implemented(base: type[BaseWeighting]) -> None:
    with pytest.raises(TypeError, match='abstract'):
        base()
