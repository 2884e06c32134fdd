import pytest

from mmada.weightings.head_rule import head_factor

LIMITS = (0.01, 100.0)


@pytest.mark.parametrize(
    ('weights', 'owners', 'expected'),
    [
        ([2.0, 4.0], (0,), 0.5),
        ([2.0, 4.0, 1.0], (0, 1), 1 / 3),  # a layer that two heads share
        ([2.0, 4.0], (0, 1), 1.0),  # trunk
        ([2.0, 4.0], (), 1.0),  # reached by none, such as the RPN
        ([1000.0, 1.0], (0,), 0.01),
        ([0.001, 1.0], (0,), 100.0),
        ([0.0, 1.0], (0,), 1.0),
    ],
)
def test_head_factor(weights, owners, expected):
    assert head_factor(weights, owners, LIMITS) == pytest.approx(expected)
