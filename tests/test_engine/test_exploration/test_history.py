"""What visual backends are told of a round."""

from __future__ import annotations

import pytest

from mmada.engine.exploration.history import scalars


@pytest.mark.parametrize(
    ('metrics', 'names'),
    [
        ({'a/PQ': 1.0, 'a/SQ': 2.0}, ['PQ', 'SQ']),
        ({'a/PQ': 1.0, 'b/PQ': 2.0}, ['a.PQ', 'b.PQ']),
        ({'a/PQ': 1.0, 'a/SQ': 2.0, 'PQ': 3.0}, ['a.PQ', 'SQ', 'PQ']),
    ],
)
def test_every_metric_of_the_winner_has_a_name(
    metrics: dict[str, float], names: list[str]
) -> None:
    record = dict(
        round=1,
        best=0,
        metrics=[metrics],
        objectives=['seg'],
        weights=[[1.0]],
        rewards=[0.0],
        info={},
    )
    found = scalars(record, 'objectives', 'weights', 'a/PQ', 'exploration')
    head = 'exploration/best.'
    told = {k: v for k, v in found.items() if k.startswith(head)}
    assert told == {
        head + name: value
        for name, value in zip(names, metrics.values(), strict=True)
    }
