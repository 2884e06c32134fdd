"""Noise and parts of rewards, of records worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmada.visualization.report.analysis import (
    count_draws,
    info_values,
    paired_noise,
    round_noise,
    sample_spread,
    split_reward,
)
from tests.test_visualization.test_report.runs import drawn, search_of

PQ = 'coco_panoptic/PQ'


def test_parts_of_the_reward(tmp_path):
    search = search_of(tmp_path, {'reference': 41.0})
    parts = split_reward(search.rounds[0], PQ)
    # Metrics 41 and 51: mean 46, spread 5.
    assert parts.local.tolist() == [-1, 1]
    assert parts.improvement.tolist() == [0, 2]


def test_parts_without_a_reference_or_a_metric(tmp_path):
    metrics = [{}, {PQ: 4.0}, {PQ: 6.0}]
    changes = dict(
        metrics=metrics,
        reference=None,
        weights=[[1.0] * 3] * 3,
        rewards=[-1.0, 0.0, 0.0],
    )
    parts = split_reward(search_of(tmp_path, changes).rounds[0], PQ)
    np.testing.assert_array_equal(parts.local, [math.nan, -1, 1])
    np.testing.assert_array_equal(parts.improvement, [math.nan, 0, 0])


@pytest.mark.parametrize(('num_images', 'most'), [(1, 1), (2, 3), (4, 35)])
def test_draws_of_few_images_are_few(num_images, most):
    assert count_draws(np.array(drawn(num_images, 3000))) == most


def test_a_replica_without_a_metric_makes_no_draws():
    resamples = np.array([[1.0, 1.0, 2.0], [np.nan, 3.0, 4.0]])
    assert count_draws(resamples) == 2


def test_scalars_that_a_round_lacks(tmp_path):
    search = search_of(tmp_path, {}, {'info': {'kl': None}}, {'info': {}})
    np.testing.assert_array_equal(
        info_values(search, 'kl'), [0.1, math.nan, math.nan]
    )


def test_noise_of_a_difference_leaves_out_what_replicas_share():
    resamples = np.array(
        [[1.0, 2.0, 3.0], [11.0, 12.0, 13.0], [3.0, 2.0, 1.0]]
    )
    noise = paired_noise(resamples)
    assert noise[0, 1] == 0
    # Differences -2, 0, 2.
    assert noise[0, 2] == noise[2, 0] == pytest.approx(2)
    assert np.diag(noise).tolist() == [0, 0, 0]


def test_spread_is_that_of_a_sample():
    values = np.array([1.0, math.nan, 3.0])
    assert sample_spread(values) == pytest.approx(math.sqrt(2))
    assert math.isnan(sample_spread(values[:2]))


def test_noise_and_limit_in_the_units_of_the_spread():
    resamples = np.array([[-4.0, 0.0, 4.0], [4.0, 0.0, -4.0]])
    found = round_noise(np.array([0.0, 10.0]), resamples)
    # Of two values x apart, the spread is x / sqrt 2.
    assert found.spread == pytest.approx(10 / math.sqrt(2))
    assert found.noise == pytest.approx(8 / math.sqrt(2))
    # Spreads of the resamples are 8, 0 and 8 over sqrt 2.
    assert found.limit == pytest.approx(8 / math.sqrt(2))


@pytest.mark.parametrize(
    ('distance', 'expected'), [(7.9, 'noise'), (8.1, 'signal')]
)
def test_a_spread_is_noise_until_it_exceeds_it(distance, expected):
    resamples = np.array([[-4.0, 0.0, 4.0], [4.0, 0.0, -4.0]])
    found = round_noise(np.array([0.0, distance]), resamples)
    assert found.comparison == expected


def test_equal_replicas_exceed_noise_by_half_and_the_limit_rarely():
    rng = np.random.default_rng(0)
    comparisons = []
    for _ in range(400):
        images = rng.normal(size=(4, 100)) + rng.normal(size=100)
        drawn = rng.integers(100, size=(200, 100))
        resamples = images[:, drawn].mean(axis=2)
        comparisons.append(
            round_noise(images.mean(axis=1), resamples).comparison
        )
    assert 0.02 < comparisons.count('signal') / 400 < 0.1
    assert 0.4 < comparisons.count('noise') / 400 < 0.75


def test_replicas_without_a_metric_do_not_count():
    resamples = np.array([[-4.0, 0.0, 4.0], [np.nan] * 3, [4.0, 0.0, -4.0]])
    found = round_noise(np.array([0.0, np.nan, 10.0]), resamples)
    assert found.noise == pytest.approx(8 / math.sqrt(2))
    assert round_noise(np.array([0.0, 1.0, np.nan]), resamples) is None
