"""Searches that may hear more, to be judged on the tuning scenes.

Each is one change of a search of the comparison, at its cost or less. They are
run if named.
"""

from __future__ import annotations

from equal_terms import EQUAL, EQUAL_SEARCHES, FROM_KINDS, FROM_ONES
from method import Method, Options, Search

TOLD = 'rounds_per_training'
EQUAL_SLOPE = f'SlopeSearch{EQUAL}'
LENGTHS = {'first half': 0.5, 'first two thirds': 2 / 3}
"""Parts of the trainings after which a search ends."""
_STABLE: Options = dict(type='AdaSegment')


def _controlled(search: Search) -> Search:
    """Add a replica with all weights 1, which has no part in the step."""
    controller = dict(search.controller, control=True)
    return search._replace(controller=controller, replicas=search.replicas + 1)


# The trainings of a search stop where their order is known. Around ones the
# centre point is the control.
_SHORT = {
    f'{name}, {words}': search._replace(length=length, told=TOLD)
    for name, search in (
        (EQUAL_SLOPE, _controlled(EQUAL_SEARCHES[EQUAL_SLOPE])),
        (FROM_KINDS, _controlled(EQUAL_SEARCHES[FROM_KINDS])),
        (FROM_ONES, EQUAL_SEARCHES[FROM_ONES]),
    )
    for words, length in LENGTHS.items()
}
# What makes a round of Ada-Segment tell more, or a mistake cost less.
_ROUNDS = {
    'Ada-Segment, rounds of 2 epochs': Search(
        _STABLE, grouped=True, epochs_per_round=2
    ),
    'Ada-Segment, rounds of 3 epochs': Search(
        _STABLE, grouped=True, epochs_per_round=3
    ),
    'Ada-Segment, sigma 0.4': Search(dict(_STABLE, sigma=0.4), grouped=True),
    'Ada-Segment from ones': Search(dict(_STABLE, start=0.0), grouped=True),
}

# By the same trainings, another reward, or fewer of the rounds.
_WHOLE = {
    name: EQUAL_SEARCHES[name] for name in (EQUAL_SLOPE, FROM_KINDS, FROM_ONES)
}
_REPLAYED = {
    f'{name}, {reward}': search._replace(recorded=name, reward=reward)
    for reward, searches in (
        ('things and stuff', _WHOLE | _SHORT),
        ('last two rounds', _SHORT),
    )
    for name, search in searches.items()
}

# Half as far from the start, which the reward images may mislead.
_HALF_STEPS = {
    f'{name}, half step': search._replace(recorded=name, step=0.5)
    for name, search in (_WHOLE | _SHORT).items()
}

# By other images, of which some classes have many more segments.
_VALIDATED = {
    f'{name}, validation images': search._replace(scored_on='val_reward')
    for name, search in _SHORT.items()
}

CANDIDATE_SEARCHES: dict[str, Search] = (
    _SHORT | _ROUNDS | _REPLAYED | _HALF_STEPS | _VALIDATED
)


def _trained(name: str, mode: str, **hook: str) -> Method:
    hook = dict(type='PolicyWeightingHook', mode=mode, **hook)
    search = CANDIDATE_SEARCHES[name]
    return Method(
        name, 'Ada-Segment', hook, name, rpn=search.rpn, kinds=search.kinds
    )


# What it found on real images with wrong scales, used with others, with right
# ones or a longer schedule; and what it found with right ones, on scenes.
_SHORT_OF_KINDS = f'{FROM_KINDS}, first half'
_MOVED = _trained(
    _SHORT_OF_KINDS, 'pred', fallback='policy', initial_losses='probe'
)
MOVED_ROWS = [
    *(
        _MOVED._replace(
            name=f'{_SHORT_OF_KINDS}, of draw {draw}',
            source='camvid, misscaled',
            source_seed=draw,
        )
        for draw in range(3)
    ),
    _MOVED._replace(name=f'{_SHORT_OF_KINDS}, of camvid', source='camvid'),
]

CANDIDATE_ROWS = [
    *(_trained(name, 'pred', fallback='policy') for name in _SHORT),
    # With all weights 1 where these promise more.
    *(
        _trained(name, 'pred')._replace(name=f'{name}, or ones')
        for name in _SHORT
    ),
    *(_trained(name, 'pred') for name in _REPLAYED | _HALF_STEPS | _VALIDATED),
    *(_trained(name, 'comb', fallback='policy') for name in _ROUNDS),
    *MOVED_ROWS,
]
