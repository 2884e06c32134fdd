"""Costs worked out by hand."""

import dataclasses

import pytest

from mmada.controllers import Start
from mmada.diagnostics.plan.bill import (
    Rates,
    Search,
    Sizes,
    Training,
    make_bill,
)
from mmada.diagnostics.plan.replay import Round

RATES = Rates(trained=0.1, evaluated=0.05)


def share(share):
    if 8 % share.size:
        raise ValueError(f'8 images, {share.size} ranks')


@pytest.fixture
def search():
    """Two rounds of four replicas, of which the first wins."""
    plan, scores = (Start.BEST,) * 4, {0: 0.9, 1: 0.1, 2: 0.2, 3: 0.3}
    return Search(
        name='exploration',
        controller='SlopeSearch',
        start=Start.BEST,
        num_replicas=4,
        ranks_per_replica=None,
        num_iters=10,
        batch_size=8,
        reward_images=20,
        checked_images=4,
        looks=1,
        scores_start=False,
        schedule=20,
        keeps_initial=False,
        sizes=Sizes(new=100, trained=150, gradients=80),
        draws=[[Round(plan, scores)] * 2],
        share=share,
    )


@pytest.fixture
def training():
    """Four epochs of ten iterations of half a replica's batch."""
    return Training(
        by_epoch=True,
        length=4,
        epoch_length=10,
        batch_size=4,
        validations=2,
        validation_images=30,
        looks=1,
        checkpoints=3,
    )


# The look takes 0.8 s, the check 0.2 s, a segment with its evaluation 9 s.
@pytest.mark.parametrize(
    ('gpus', 'groups', 'waves', 'seconds'),
    [
        (1, (1, 1), 8, 1 + 9 + 8 * 9),
        (2, (2, 1), 4, 1 + 9 + 4 * 9),
        (3, (3, 1), 4, 1 + 9 + 4 * 9),
        (8, (4, 2), 2, 1 + (9 + 2 * 9) / 2),
    ],
)
def test_a_search_by_hand(search, gpus, groups, waves, seconds):
    bill = make_bill([search], None, gpus, RATES)
    assert bill.problem == ''
    assert (bill.groups, bill.waves) == ((groups,), waves)
    assert bill.seconds == pytest.approx(seconds)
    assert bill.gpu_hours == pytest.approx(seconds * gpus / 3600)
    # 9 segments and the look; 9 evaluations and the check.
    assert (bill.iterations, bill.images) == (91, 184)
    # A training is 20 iterations of 0.8 s.
    assert bill.trainings == pytest.approx(91 / 20 + 184 * 0.05 / 16)


def test_the_initial_model_is_one_more_evaluation(search):
    search = dataclasses.replace(search, scores_start=True)
    assert search.parts()['initial model'] == (0, 20, 0)
    bill = make_bill([search], None, 8, RATES)
    assert bill.images == 204
    assert bill.seconds == pytest.approx(1 + (10 + 2 * 9) / 2)


def test_what_is_sent_is_the_winner_and_gradients(search):
    """A winner a round; on 8 GPUs 10 iterations of a ring of two as well."""
    sent = [make_bill([search], None, w, None).network for w in (1, 2, 8)]
    assert sent == [0, 150, 150 + 10 * 2 * 80 / 2]


def test_memory_is_one_state_beside_the_model(search):
    assert make_bill([search], None, 4, None).memory == 150


def test_states_are_two_and_the_one_that_is_written(search):
    """Start, with best, start, with best, start: 100, 250, 150, 300, 150."""
    bill = make_bill([search], None, 4, None)
    assert bill.disk_peak == 250 + 150 + 300
    # Two states and the explored model.
    assert bill.disk_left == 300 + 150 + 100


def test_a_training_follows(search, training):
    search = dataclasses.replace(search, keeps_initial=True)
    one, many = (make_bill([search], training, w, RATES) for w in (1, 8))
    assert (one.iterations, one.images) == (91 + 41, 184 + 60)
    assert many.iterations == 91 + 4 * 2 + 1
    assert one.seconds == pytest.approx(82 + 41 * 0.4 + 60 * 0.05)
    assert many.seconds == pytest.approx(14.5 + 9 * 0.4 + 60 * 0.05 / 8)
    # 40 iterations of 4 images are one; the search has twice as large ones.
    expected = (41 + 2 * 91) / 40 + 184 * 0.05 / (40 * 0.4)
    assert one.trainings == many.trainings == pytest.approx(expected)
    # The initial model, two states, the explored one, three checkpoints.
    left = 100 + (300 + 150) + 100 + 3 * 150
    # One checkpoint more, until an older one is removed.
    assert (one.disk_left, one.disk_peak) == (left, left + 150)


def test_a_training_by_iterations_is_as_long_on_more_gpus(training):
    training = dataclasses.replace(training, by_epoch=False, length=50)
    assert training.iterations(1) == training.iterations(8) == 50


def test_what_gpus_cannot_do_is_said(search):
    # On 12 GPUs a group has 3.
    assert make_bill([search], None, 12, RATES).problem == '8 images, 3 ranks'
    fixed = dataclasses.replace(search, ranks_per_replica=2)
    problem = make_bill([fixed], None, 1, RATES).problem
    assert problem.startswith('`ranks_per_replica` should be 1 to 1')
    assert make_bill([fixed], None, 2, RATES).problem == ''


def test_without_rates_there_is_no_time_but_a_cost(search):
    bill = make_bill([search], None, 8, None)
    assert (bill.seconds, bill.gpu_hours) == (None, None)
    assert bill.trainings == pytest.approx(91 / 20 + 184 / 3 / 8 / 20)
