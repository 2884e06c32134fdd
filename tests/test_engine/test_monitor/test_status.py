import json
import math

import pytest

from mmada.engine.monitor import Phase, RunStatus


@pytest.mark.parametrize(
    ('fields', 'expected'),
    [
        ({}, None),
        (dict(iteration=3, num_iterations=12), 0.25),
        (dict(num_iterations=12), 0.0),
        # Round 2 of 4, replica 3 of 5, a half: (1 + (2 + 0.5) / 5) / 4.
        (
            dict(
                round=2,
                num_rounds=4,
                replicas=(3, 4),
                num_replicas=5,
                iteration=5,
                num_iterations=10,
            ),
            0.375,
        ),
    ],
)
def test_progress_is_the_part_of_the_phase_that_is_done(fields, expected):
    assert RunStatus(**fields).progress == pytest.approx(expected)


def test_json_has_all_fields_and_no_word_that_json_lacks():
    status = RunStatus(
        Phase.PSEUDO_EPOCH,
        replicas=(1, 2),
        best_metric=math.nan,
        seconds_left=math.inf,
    )
    found = json.loads(json.dumps(status.to_json(), allow_nan=False))
    assert found.pop('phase') == 'pseudo epoch'
    assert found.pop('replicas') == [1, 2]
    assert set(found.values()) == {None}
    assert {'best_metric', 'seconds_left', 'progress', 'error'} <= set(found)
