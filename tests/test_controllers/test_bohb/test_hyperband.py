"""Brackets, rungs and promotions, worked out by hand."""

from __future__ import annotations

import random

import pytest

from mmada.controllers.base import Rest, Start
from mmada.controllers.bohb.hyperband import Hyperband, ladder

LETTERS = {
    Start.INITIAL: 'n',
    Start.OWN: 'o',
    Rest.PAUSED: 'p',
    Rest.EMPTY: 'e',
}


def play(race: Hyperband, metric, num_rounds: int, last: int) -> list[str]:
    """Plays rounds; in the first `last` of them candidates may start.

    Args:
        race: At its start.
        metric: Of a candidate's number and age; None if it diverges.
        num_rounds: At most; less if nobody is left.
        last: Number of rounds.

    Returns:
        The plan of each round, a letter for each slot.
    """
    plans = []
    for index in range(num_rounds):
        if index < last:
            for slot in race.free:
                race.start(slot, [float(len(race.candidates))])
        if not race.occupants:
            break
        plan = race.plan()
        plans.append(''.join(LETTERS[entry] for entry in plan))
        race.note(
            {
                k: metric(race.occupants[k].number, race.occupants[k].age + 1)
                for k, entry in enumerate(plan)
                if isinstance(entry, Start)
            }
        )
        race.compare(last=index + 1 >= last)
    return plans


@pytest.mark.parametrize(
    ('whole', 'factor', 'expected'),
    [
        (9, 3, [1, 3, 9]),
        (8, 2, [1, 2, 4, 8]),
        (10, 3, [1, 3, 10]),
        (2, 3, [2]),
        (1, 2, [1]),
        (7, 2, [1, 3, 7]),
    ],
)
def test_candidates_are_compared_at_powers_of_the_factor(
    whole, factor, expected
):
    assert ladder(whole, factor) == expected


def test_brackets_have_the_sizes_of_the_paper():
    """Table 1 of Hyperband: R = 81, eta = 3."""
    race = Hyperband(100, 81, 3)
    for _ in range(81 + 34 + 15 + 8 + 5 + 1):
        race.start(0, [1.0])
    assert [b.size for b in race.brackets] == [81, 34, 15, 8, 5, 81]
    assert [b.rungs[0] for b in race.brackets] == [1, 3, 9, 27, 81, 1]


def test_one_bracket_of_nine_by_hand():
    """One in three goes on at ages 1 and 3; candidate 5 is the best."""
    race = Hyperband(9, 9, 3)
    plans = play(race, lambda k, age: -abs(k - 5.2) + age, 20, 1)
    assert plans == [
        'nnnnnnnnn',
        *['eeeeoooee'] * 2,  # 4, 5 and 6
        *['eeeeeoeee'] * 6,
    ]
    assert [c.age for c in race.candidates] == [1, 1, 1, 1, 3, 9, 3, 1, 1]
    assert race.best is not None and race.best.number == 5
    # What nine whole trainings would cost is 81.
    assert sum(c.age for c in race.candidates) == 9 + 3 * 2 + 6


def test_a_free_slot_takes_the_next_candidate_and_who_waits_pauses():
    """R = 4, eta = 2: brackets with ages 1, 2, 4, then 2, 4, then 4.

    With three slots the first two have three candidates each (of 4 and 3),
    of which one goes on at the first rung. The smaller number is better.
    """
    race = Hyperband(3, 4, 2)
    plans = play(race, lambda k, age: -float(k), 20, 6)
    assert plans == [
        'nnn',  # 0, 1 and 2
        'onn',  # only 0 goes on; 3 and 4 are of the second bracket
        'ooo',
        'opp',  # 3 and 4 are at their rung and wait for the third
        'npp',  # 0 was whole; the third is 5
        'opp',
        'eoe',  # of 3, 4 and 5 the first goes on; no start any more
        'eoe',
    ]
    ages = [(c.bracket, c.slot, c.age) for c in race.candidates]
    assert ages[:3] == [(0, 0, 4), (0, 1, 1), (0, 2, 1)]
    assert ages[3:] == [(1, 1, 4), (1, 2, 2), (1, 0, 2)]


def test_a_bracket_that_gets_no_more_candidates_goes_on_without_them():
    """As above, but 5 never comes: of two candidates one goes on."""
    race = Hyperband(3, 4, 2)
    plans = play(race, lambda k, age: -float(k), 20, 2)
    assert plans == ['nnn', 'onn', 'ooo', 'ooe', 'eoe']
    assert [c.age for c in race.candidates] == [4, 1, 1, 4, 2]


def test_a_candidate_that_diverges_makes_room_and_is_not_the_best():
    """R = 2, eta = 2: 1 wins its bracket and diverges when it goes on."""
    race = Hyperband(2, 2, 2)
    plans = play(
        race,
        lambda k, age: None if (k, age) == (1, 2) else float(k),
        9,
        2,
    )
    assert plans == ['nn', 'no', 'oe']
    assert race.candidates[1].values == [1.0, None]
    assert race.best is not None and race.best.number == 2


@pytest.mark.parametrize('num_slots', [1, 2, 5])
@pytest.mark.parametrize(('whole', 'factor'), [(1, 2), (9, 3), (10, 2)])
@pytest.mark.parametrize('last', [1, 3, 17])
def test_nobody_waits_for_ever(num_slots, whole, factor, last):
    race, chance = Hyperband(num_slots, whole, factor), random.Random(0)
    plans = play(
        race,
        lambda k, age: None if chance.random() < 0.1 else chance.random(),
        500,
        last,
    )
    assert not race.occupants
    assert all({'n', 'o'} & set(plan) for plan in plans)
    assert len(plans) < last + 2 * whole


def test_who_diverged_counts_if_all_did():
    race = Hyperband(1, 2, 2)
    play(race, lambda k, age: 1.0 if age == 1 else None, 9, 1)
    assert race.best is not None and race.best.number == 0


def test_no_best_before_a_metric():
    race = Hyperband(1, 2, 2)
    assert race.best is None
    race.start(0, [1.0])
    race.note({0: None})
    assert race.best is None and race.free == [0]


def test_the_best_is_of_the_largest_age_and_the_first_of_equals():
    race = Hyperband(3, 4, 2)
    play(race, lambda k, age: 100.0 - age, 3, 1)
    assert race.best is not None
    assert (race.best.number, race.best.age) == (0, 3)
