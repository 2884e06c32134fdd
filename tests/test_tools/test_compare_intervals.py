"""Intervals of the comparison, against scipy and values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tests.support.scripts import load


@pytest.fixture
def statistics():
    return load('benchmarks/compare/intervals.py')


def test_spread_is_that_of_a_sample(statistics):
    mean, spread = statistics.mean_and_std([1.0, 2.0, 6.0])
    assert (mean, spread) == pytest.approx((3, math.sqrt(7)))
    assert math.isnan(statistics.mean_and_std([1.0])[1])


def test_t_interval_is_scipy_s(statistics):
    differences = [0.3, 1.4, 0.9, -0.2]
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert statistics.t_interval(differences) == pytest.approx(expected)
    assert all(map(math.isnan, statistics.t_interval([1.0])))


def test_quality_averages_over_classes_that_were_counted(statistics):
    # Class 1: 1.5 / (2 + 1/2 + 1/2); class 2: never seen; class 3: only FP.
    counts = np.array([[1.5, 2, 1, 1], [0, 0, 0, 0], [0, 0, 4, 0]])
    assert statistics.quality(counts) == pytest.approx(100 * (0.5 + 0) / 2)


def test_resampled_quality_is_that_of_the_images_drawn(statistics):
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 5, size=(6, 3, 4)).astype(float)
    drawn = statistics.image_draws(6, 5, seed=1)
    assert drawn.sum(axis=1).tolist() == [6] * 5
    expected = [
        statistics.quality(
            np.repeat(counts, row.astype(int), axis=0).sum(axis=0)
        )
        for row in drawn
    ]
    found = statistics.resampled_quality(counts, drawn)
    assert found == pytest.approx(np.array(expected))


def test_bootstrap_over_seeds_is_scipy_s(statistics):
    # The same differences in every draw of images leave the seeds alone.
    differences = np.array([0.3, 1.4, 0.9, -0.2, 0.5])
    found = statistics.bootstrap_interval(np.tile(differences, (20000, 1)))
    expected = stats.bootstrap(
        [differences], np.mean, n_resamples=20000, method='percentile', rng=0
    ).confidence_interval
    assert found == pytest.approx(expected, abs=0.03)


def test_bootstrap_over_images_alone_is_a_percentile(statistics):
    values = np.random.default_rng(0).normal(size=(1000, 1))
    expected = np.percentile(values, [2.5, 97.5])
    assert statistics.bootstrap_interval(values) == pytest.approx(expected)


def test_pooled_t_of_two_groups_is_welch_s(statistics):
    first, second = [1.0, 2.0, 4.0], [0.0, 0.5, -0.5, 0.2]
    negated = [-value for value in second]
    welch = stats.ttest_ind(first, negated, equal_var=False)
    low, high = welch.confidence_interval(0.95)
    found = statistics.pooled_t_interval([first, second])
    assert found == pytest.approx((low / 2, high / 2))


def test_pooled_t_of_one_group_is_student_s(statistics):
    values = [1.0, 2.0, 4.0]
    found = statistics.pooled_t_interval([values])
    assert found == pytest.approx(statistics.t_interval(values))
    assert statistics.pooled_t_interval([[1.0, 1.0], [3.0, 3.0]]) == (2, 2)
    assert np.isnan(statistics.pooled_t_interval([values, [1.0]])).all()


def test_bootstrap_is_the_same_each_time(statistics):
    values = np.random.default_rng(0).normal(size=(100, 3))
    first = statistics.bootstrap_interval(values)
    assert statistics.bootstrap_interval(values) == first
