import re

import pytest

from mmada.engine.monitor.scalar_names import scalar_name

# As mlflow.utils.validation has them.
MLFLOW = re.compile(r'^[/\w.\- ]*$')


@pytest.mark.parametrize(
    ('parts', 'expected'),
    [
        (('weights', 's0.loss_cls'), 'weights/s0.loss_cls'),
        (('weights', 'box+mask'), 'weights/box_mask'),
        (('weights', 'Größe (m)'), 'weights/Gr__e _m_'),
        (('weights', 'a//b/'), 'weights/a/_/b/_'),
        (('weights', '../x'), 'weights/_/x'),
        (('weights', ''), 'weights/_'),
    ],
)
def test_names_hold_what_all_backends_take(parts, expected):
    assert scalar_name(*parts) == expected
    assert MLFLOW.match(expected)
