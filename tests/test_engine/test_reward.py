import math

import numpy as np
import pytest

from mmada.engine.reward import WEIGHTED_SUM, RewardMetric, Score, weighted_sum

FOUND = {
    'coco/table': '| a |',
    'coco/PQ_resamples': [10.0, 20.0],
    'coco/classes': [1.0, 2.0],
    'coco/loss': np.float32(0.5),
    'coco/PQ': 40.0,
    'time': 3,
}


def test_a_single_metric_is_read_as_it_is():
    metric = RewardMetric('coco/PQ')
    assert (metric.key, metric.config) == ('coco/PQ', 'coco/PQ')
    score = metric.score(FOUND)
    assert score == Score(
        {'coco/PQ': 40.0, 'coco/loss': 0.5, 'time': 3.0}, 40.0, [10.0, 20.0]
    )
    assert list(score.metrics) == ['coco/PQ', 'coco/loss', 'time']


def test_a_sum_stands_before_its_parts_and_the_others():
    metric = RewardMetric({'coco/PQ': 0.5, 'time': -2})
    assert metric.key == WEIGHTED_SUM
    assert metric.config == {'coco/PQ': 0.5, 'time': -2.0}
    score = metric.score(FOUND)
    assert list(score.metrics.items()) == [
        (WEIGHTED_SUM, 14.0),  # 40 / 2 - 2 * 3
        ('coco/PQ', 40.0),
        ('time', 3.0),
        ('coco/loss', 0.5),
    ]
    assert score.value == 14.0


def test_resamples_of_a_sum_need_those_of_each_part():
    found = {**FOUND, 'time_resamples': [1.0, 3.0]}
    metric = RewardMetric({'coco/PQ': 0.5, 'time': -2})
    assert metric.score(FOUND).resamples is None
    assert metric.score(found).resamples == [3.0, 4.0]
    other = {**found, 'time_resamples': [1.0]}
    assert metric.score(other).resamples is None
    for other in ([], 3.0, np.array([1.0, 3.0])):
        assert metric.score({**found, 'time_resamples': other})[2] is None


@pytest.mark.parametrize('config', ['a', dict(a=1, b=1), dict(a=0, b=1)])
@pytest.mark.parametrize(
    'found', [dict(a=math.nan, b=1), dict(a=math.inf, b=1), dict(b=1)]
)
def test_a_part_that_is_not_finite_or_missing_leaves_no_value(config, found):
    assert RewardMetric(config).score(found).value is None


def test_the_order_of_weights_does_not_change_a_bit():
    values, weights = dict(a=1.0, b=1e16, c=-1e16), dict(a=1, b=1, c=1)
    turned = dict(reversed(weights.items()))
    assert weighted_sum(values, weights) == weighted_sum(values, turned)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({}, r'`reward_metric` is \{\}; expected the key of a metric, or'),
        (3, '`reward_metric` is 3; expected the key'),
        (['PQ'], r"`reward_metric` is \['PQ'\]; expected the key"),
        (dict(PQ=math.nan), r"`reward_metric\['PQ'\]` is nan; expected a fin"),
        (dict(a=1, PQ='1'), r"`reward_metric\['PQ'\]` is '1'; expected a fin"),
        (dict(PQ=True), r"`reward_metric\['PQ'\]` is True; expected a finite"),
        (dict(a=0, b=0.0), 'expected a weight that is not zero'),
    ],
)
def test_bad_weights_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        RewardMetric(config)


def test_an_unknown_part_lists_the_known_keys():
    with pytest.raises(
        ValueError,
        match="asks for 'PQ'; the evaluator gives: coco/PQ, coco/loss, time",
    ):
        RewardMetric(dict(time=1, PQ=2)).check(FOUND)
