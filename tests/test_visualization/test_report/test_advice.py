"""What is said of a search, of records worked out by hand."""

from __future__ import annotations

import pytest

from mmada.visualization.report.advice import advise
from mmada.visualization.report.analysis import invalid_counts
from tests.test_visualization.test_report.runs import (
    drawn,
    resampled,
    search_of,
)

PQ = 'coco_panoptic/PQ'


def texts(search, level):
    return [found.text for found in advise(search) if found.level == level]


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
        ({'curvature': -0.1, 'step': 2.4}, 'note', 'as these points are, 2.4'),
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
    assert not any(
        'as these points are' in text for text in texts(search, 'note')
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
