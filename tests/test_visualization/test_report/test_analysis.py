"""Advice, noise and parts of rewards, of records worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmada.evaluation.resampling import draw_images
from mmada.visualization.report import read_run
from mmada.visualization.report.analysis import (
    advise,
    count_draws,
    info_values,
    invalid_counts,
    paired_noise,
    round_noise,
    sample_spread,
    split_reward,
)
from tests.test_visualization.records import round_record, write
from tests.test_visualization.test_report.runs import (
    CONFIG,
    resampled,
)

PQ = 'coco_panoptic/PQ'


def search_of(tmp_path, *changes):
    records = [round_record(i, **c) for i, c in enumerate(changes, start=1)]
    write(tmp_path / 'exploration' / 'history.jsonl', records)
    (tmp_path / 'config.py').write_text(CONFIG)
    return read_run(tmp_path).searches[0]


def texts(search, level):
    return [found.text for found in advise(search) if found.level == level]


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


def test_equal_scores_are_called_equal_and_nothing_else(tmp_path):
    zeros = dict(metrics=[{PQ: 0.0}, {PQ: 0.0}], resamples=resampled(1, 2.0))
    (found,) = advise(search_of(tmp_path, zeros, zeros))
    assert found.level == 'warning'
    assert found.text.startswith('All replicas of all rounds scored 0 (PQ)')


def test_noise_that_hides_the_replicas_is_a_warning(tmp_path):
    large, small = ({'resamples': resampled(1, k)} for k in (2.0, 0.1))
    search = search_of(tmp_path, large, large, small)
    (text,) = texts(search, 'warning')
    assert 'less than the noise of the metric in 2 of 3 rounds' in text
    assert 'Use more reward images or longer rounds.' in text


def test_replicas_that_stand_out_are_good(tmp_path):
    small = {'resamples': resampled(1, 0.1)}
    assert any(
        'clearly more than the noise of the metric in 2 of 2 rounds' in text
        for text in texts(search_of(tmp_path, small, small), 'good')
    )


def test_replicas_that_hardly_ever_stand_out_are_a_warning(tmp_path):
    # Ten apart: more than the noise of 6, less than the limit of 12.
    rows = [[-6.0] + [0.0] * 7 + [6.0], [6.0] + [0.0] * 7 + [-6.0]]
    means = (41.0, 51.0)
    resamples = [
        [mean + offset for offset in row]
        for mean, row in zip(means, rows, strict=True)
    ]
    search = search_of(tmp_path, {'resamples': resamples})
    (text,) = texts(search, 'warning')
    assert 'clearly more than the noise of the metric in 0 of 1 rounds' in text


def drawn(num_images, num_resamples=100):
    """Resamples of two replicas of which one is ten better on each image."""
    means = 7.0 ** np.arange(num_images)  # no two draws are equal
    draws = np.array(list(draw_images(num_images, num_resamples)))
    row = draws @ means / num_images
    return [row.tolist(), (row + 10).tolist()]


@pytest.mark.parametrize(('num_images', 'different'), [(1, 1), (2, 3)])
def test_too_few_images_to_tell_the_noise_are_a_warning(
    tmp_path, num_images, different
):
    round_ = {'resamples': drawn(num_images)}
    search = search_of(tmp_path, round_, round_)
    (text,) = texts(search, 'warning')
    assert text.startswith(
        'The 100 resamples of the reward images give only '
        f'{different} different result(s), so that the rewards rest on a '
    )
    assert not any('noise' in text for text in texts(search, 'good'))


def test_rounds_may_have_other_numbers_of_resamples(tmp_path):
    rounds = [{'resamples': drawn(2, number)} for number in (100, 80)]
    (text,) = texts(search_of(tmp_path, *rounds), 'warning')
    assert 'give only 3 different result(s)' in text


@pytest.mark.parametrize(('num_images', 'number'), [(6, 100), (2, 50)])
def test_images_that_are_enough_or_not_counted_pass(
    tmp_path, num_images, number
):
    search = search_of(tmp_path, {'resamples': drawn(num_images, number)})
    assert not texts(search, 'warning')


@pytest.mark.parametrize(('num_images', 'most'), [(1, 1), (2, 3), (4, 35)])
def test_draws_of_few_images_are_few(num_images, most):
    assert count_draws(np.array(drawn(num_images, 3000))) == most


def test_a_replica_without_a_metric_makes_no_draws():
    resamples = np.array([[1.0, 1.0, 2.0], [np.nan, 3.0, 4.0]])
    assert count_draws(resamples) == 2


def test_an_old_run_is_told_that_nothing_is_known(tmp_path):
    (text,) = texts(search_of(tmp_path, {}), 'note')
    assert 'did not record' in text


def test_replicas_that_diverged_count_and_those_that_rest_do_not(tmp_path):
    lost = {'metrics': [{}, {PQ: 4.0}]}
    rests = lost | {'plan': ['paused', 'own']}
    search = search_of(tmp_path, lost, rests, {})
    assert invalid_counts(search) == [1, 0, 0]
    assert any(
        text.startswith('1 of 5 trained replicas (20%)')
        for text in texts(search, 'warning')
    )


def test_what_was_not_measured_did_not_diverge(tmp_path):
    key = 'coco/bbox_mAP_l'
    rounds = dict(metrics=[{key: -1.0}, {key: 0.5}], reward_metric=key)
    search = search_of(tmp_path, rounds, rounds)
    assert search.winner.tolist() == [0.5, 0.5]
    assert invalid_counts(search) == [1, 1]
    (text,) = (t for t in texts(search, 'warning') if 'trained' in t)
    assert 'it was not measured for 2 of them' in text


@pytest.mark.parametrize(
    ('info', 'level', 'words'),
    [
        ({'kl': 1e-5}, 'warning', 'hardly learns'),
        ({'kl': 3.0}, 'warning', 'overturns it'),
        ({'kl': 0.1}, 'good', 'KL divergence of 0.1 in the median.'),
        (
            {'confidence': 0.02},
            'warning',
            'in the step is 2%: chance explains the slope',
        ),
        ({'confidence': 0.11}, 'note', 'in the step is 11%.'),
        ({'confidence': 0.6}, 'good', 'in the step is 60%.'),
        ({'curvature': 0.85, 'step': 1.3}, 'good', '0.85 of the metric'),
        ({'curvature': 0.85, 'step': 1.3}, 'good', 'step is 1.3 long'),
        ({'curvature': -0.1, 'step': 2.4}, 'note', 'limits the step of 2.4'),
        (
            {'control': 39.5, 'promised': 38.1},
            'warning',
            'promises 38.1 of the metric, where the replica with all weights '
            '1 ended at 39.5: a training',
        ),
        (
            {'control': 38.1, 'promised': 39.5, 'confidence': 0.6},
            'good',
            'ended at 38.1.',
        ),
        (
            {'control': 38.9, 'promised': 39.5, 'margin': 1.1},
            'warning',
            'ended at 38.9: no lead of more than 1.1, a training',
        ),
        ({'promised': 39.5}, 'warning', 'all weights 1 ended without a'),
        # The search may have learned nothing.
        (
            {'control': 38.1, 'promised': 38.2, 'confidence': 0.0},
            'note',
            'ended at 38.1.',
        ),
    ],
)
def test_what_the_learner_says_of_itself(tmp_path, info, level, words):
    search = search_of(tmp_path, {'info': info})
    assert any(words in text for text in texts(search, level))


@pytest.mark.parametrize(
    ('confidence', 'level', 'words'),
    [
        (0.02, 'warning', '2% in the median: the rounds contradict'),
        (0.11, 'note', '11% in the median.'),
        (0.6, 'good', '60% in the median.'),
    ],
)
def test_the_confidence_of_many_rounds(tmp_path, confidence, level, words):
    rounds = [{'info': {'confidence': confidence}}] * 2
    search = search_of(tmp_path, *rounds)
    assert any(words in text for text in texts(search, level))


def test_no_step_has_no_length(tmp_path):
    info = {'curvature': -0.1, 'step': 0.0, 'confidence': 0.0}
    search = search_of(tmp_path, {'info': info})
    assert not any('limits the step' in text for text in texts(search, 'note'))


def test_scalars_that_a_round_lacks(tmp_path):
    search = search_of(tmp_path, {}, {'info': {'kl': None}}, {'info': {}})
    np.testing.assert_array_equal(
        info_values(search, 'kl'), [0.1, math.nan, math.nan]
    )


def test_rounds_without_an_update_and_why(tmp_path):
    idle = {'updated': False, 'reason': 'equal metrics'}
    search = search_of(tmp_path, {}, idle)
    assert (
        'The policy was not updated in 1 of 2 rounds (equal metrics).'
        in texts(search, 'note')
    )


def test_the_published_reward_that_drowns_its_replicas(tmp_path):
    # T is 4; r_local is -1 and 1, r_imp (v - 11) / 5.
    rewards = [0.25 * (-1 + 6), 0.25 * (1 + 8)]
    search = search_of(tmp_path, {'reference': 11.0, 'rewards': rewards})
    assert any('7.0 times' in text for text in texts(search, 'warning'))
    other = search_of(tmp_path, {'reference': 11.0})
    assert not any('times' in text for text in texts(other, 'warning'))


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
