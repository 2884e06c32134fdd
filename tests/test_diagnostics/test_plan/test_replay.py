"""Waves and snapshots of rounds that are not trained."""

import random

import pytest
import torch

from mmada.controllers import AdaSegment, RandomSearch, Rest, Start
from mmada.diagnostics.plan.replay import Round, play, replay, waves_of
from mmada.engine.distributed import partition


def placed(world_size, plan):
    """Returns the waves, each group asking for itself, rank by rank."""
    groups = partition(world_size, len(plan), None)
    left = [k for k, entry in enumerate(plan) if isinstance(entry, Start)]
    waves = []
    while left:
        played = {}
        for rank in range(world_size):
            for i, members in enumerate(groups):
                if rank in members and i < len(left):
                    played.setdefault(left[i], []).append(rank)
        assert all(len(r) == len(groups[0]) for r in played.values())
        waves.append(sorted(played))
        left = [k for k in left if k not in played]
    return waves


@pytest.mark.parametrize('num_replicas', range(1, 17))
def test_waves_are_those_of_the_groups(num_replicas):
    source = random.Random(num_replicas)
    for world_size in range(1, 65):
        plan = tuple(
            source.choice([Start.OWN, Start.INITIAL, *Rest])
            for _ in range(num_replicas)
        )
        for each in (plan, (Start.BEST,) * num_replicas):
            groups = len(partition(world_size, num_replicas, None))
            assert waves_of(each, groups) == placed(world_size, each)


def test_snapshots_of_a_search_that_goes_on_from_the_best():
    """In the second round the later wave has the winner: it is sent twice."""
    plan = (Start.BEST,) * 3
    rounds = [
        Round(plan, {0: 0.9, 1: 0.1, 2: 0.2}),
        Round(plan, {0: 0.1, 1: 0.2, 2: 0.9}),
    ]
    played = play(rounds, Start.BEST, 2, new=10, trained=100)
    assert (played.waves, played.sent) == (4, 300)
    assert played.commits == [10, 110, 110, 100, 200, 200, 100]
    assert played.memory == 100


def test_snapshots_of_trainings_at_their_own_pace():
    """The first pauses, the second is dropped, a third begins."""
    rounds = [
        Round((Start.INITIAL, Start.INITIAL), {0: 0.1, 1: 0.2}),
        Round((Rest.PAUSED, Start.INITIAL), {1: 0.3}),
        Round((Start.OWN, Rest.EMPTY), {0: 0.3}),
    ]
    played = play(rounds, Start.OWN, 1, new=10, trained=100)
    assert (played.waves, played.sent) == (4, 400)
    held = [0, 100, 200, 200, 200, 200, 100, 100]
    assert played.commits == [10 + own for own in held]
    assert played.memory == 100
    side_by_side = play(rounds, Start.OWN, 2, new=10, trained=100)
    assert side_by_side.memory == 200


def test_trainings_that_share_nothing_keep_nothing():
    rounds = [Round((Start.INITIAL,) * 4, dict.fromkeys(range(4), 0.1))]
    played = play(rounds, Start.INITIAL, 3, new=10, trained=100)
    assert (played.waves, played.sent) == (2, 0)
    assert played.commits == [10] * 4
    assert played.memory == 10


@pytest.mark.parametrize('kind', [AdaSegment, RandomSearch])
def test_a_controller_is_asked_for_all_its_rounds(kind):
    controller = kind(num_objectives=3, num_rounds=5, num_replicas=4)
    first, second = replay(controller, torch.ones(3), draws=2)
    for rounds in (first, second):
        assert [played.plan for played in rounds] == [(kind.start,) * 4] * 5
        assert all(sorted(p.scores) == [0, 1, 2, 3] for p in rounds)
    assert first != second
