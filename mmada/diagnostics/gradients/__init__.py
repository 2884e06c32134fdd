"""How the losses of a config share the trunk: measured, and in words."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from mmada.diagnostics.gradients.advice import advise
from mmada.diagnostics.gradients.measure import Gradients, measure_gradients

FORMAT = 1
"""Version of the layout of `describe_gradients`; raise it when it changes."""


def describe_gradients(
    found: Gradients, config: str, checkpoint: str | None
) -> dict[str, Any]:
    """Return what was measured as a JSON object; docs/weightings.md has its
    layout.

    Args:
        found: What was measured.
        config: The config file.
        checkpoint: What the model started from; None for what it says.
    """
    columns = dict(
        loss=found.losses,
        norm=found.norms,
        share=found.shares,
        cosine_with_sum=found.with_sum,
        noise=found.noise,
    )
    values = {name: _plain(column) for name, column in columns.items()}
    return dict(
        schema=FORMAT,
        config=config,
        checkpoint=checkpoint,
        batches=len(found.batch_cosines),
        trunk=dict(parameters=found.num_parameters, numbers=found.size),
        objectives=[
            dict(name=name, **{key: values[key][i] for key in values})
            for i, name in enumerate(found.names)
        ],
        cosines=[_plain(row) for row in found.cosines],
        advice=advise(found, checkpoint is not None),
    )


def _plain(values: Tensor) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in values.tolist()]


__all__ = [
    'Gradients',
    'advise',
    'describe_gradients',
    'measure_gradients',
]
