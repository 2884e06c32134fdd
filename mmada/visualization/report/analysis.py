"""What the numbers of a search mean, in plain language."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmada.visualization.report.noise import RoundNoise
from mmada.visualization.report.readings import (
    info_values,
    invalid_counts,
    is_published,
    noises,
    split_reward,
)
from mmada.visualization.report.rounds import Search

Level = Literal['good', 'note', 'warning']

_SMALL_KL = 1e-3
_LARGE_KL = 1.0
_SURE = 0.1
_MANY_INVALID = 0.1
_DOMINATES = 3.0


@dataclass(frozen=True)
class Advice:
    """A finding, and what to do about it.

    Attributes:
        level: How much it matters.
        text: One or two sentences.
    """

    level: Level
    text: str


def advise(search: Search) -> list[Advice]:
    """Say whether the rewards could be trusted and the policy learned."""
    found = [
        _advise_noise(noises(search)),
        _advise_invalid(search),
        _advise_step(info_values(search, 'kl')),
        _advise_confidence(info_values(search, 'confidence')),
        _advise_updates(search),
        _advise_parts(search),
    ]
    return [advice for advice in found if advice]


def _advise_noise(found: Sequence[RoundNoise | None]) -> Advice:
    known = [noise for noise in found if noise is not None]
    if not known:
        return Advice(
            'note',
            'The run did not record its reward metric on resampled images, '
            'so that this page cannot tell signal from noise.',
        )
    lost = sum(noise.verdict == 'noise' for noise in known)
    clear = sum(noise.verdict == 'signal' for noise in known)
    if lost > len(known) / 3:
        return Advice(
            'warning',
            'The differences between the replicas are smaller than the '
            f'noise of the metric in {lost} of {len(known)} rounds: the '
            'controller hears noise. Use more reward images or longer '
            'rounds.',
        )
    stand_out = (
        'The differences between the replicas stand out clearly from the '
        f'noise of the metric in {clear} of {len(known)} rounds'
    )
    if clear < len(known) / 3:
        return Advice(
            'warning',
            f'{stand_out} only: of the others, nobody knows. More reward '
            'images or longer rounds would tell.',
        )
    return Advice(
        'good' if clear > len(known) / 2 else 'note',
        f'{stand_out}, and are smaller than it in {lost}.',
    )


def _advise_invalid(search: Search) -> Advice | None:
    lost = sum(invalid_counts(search))
    total = sum(int(entry.trained.sum()) for entry in search.rounds)
    if not lost:
        return None
    share = lost / total
    return Advice(
        'warning' if share > _MANY_INVALID else 'note',
        f'{lost} of {total} trained replicas ({share:.0%}) have no metric: '
        'they diverged. Where that happens often, lower the learning rate or '
        'search a narrower range.',
    )


def _advise_step(kl: Sequence[float]) -> Advice | None:
    known = [value for value in kl if math.isfinite(value)]
    if not known:
        return None
    middle = float(np.median(known))
    text = f'An update moves the policy by a KL divergence of {middle:.2g}'
    if middle < _SMALL_KL:
        return Advice(
            'warning',
            f'{text} in the median: it hardly learns. Rewards that are '
            'larger, or a larger step, would move it.',
        )
    if middle > _LARGE_KL:
        return Advice(
            'warning',
            f'{text} in the median: single rounds turn it over. A smaller '
            'step would average over more rounds.',
        )
    return Advice('good', f'{text} in the median: neither still nor jumpy.')


def _advise_confidence(confidence: Sequence[float]) -> Advice | None:
    known = [value for value in confidence if math.isfinite(value)]
    if not known:
        return None
    middle = float(np.median(known))
    text = f'The learner is {middle:.0%} sure of its direction in the median'
    if middle < _SURE:
        return Advice(
            'warning',
            f'{text}: what the rounds say contradicts itself, so that its '
            'steps follow chance.',
        )
    return Advice('good', f'{text}.')


def _advise_updates(search: Search) -> Advice | None:
    idle = [entry for entry in search.rounds if not entry.updated]
    if not idle or len(idle) == len(search.rounds):
        return None
    reasons = sorted({entry.reason for entry in idle if entry.reason})
    because = f' ({"; ".join(reasons)})' if reasons else ''
    return Advice(
        'note',
        f'The policy was not updated in {len(idle)} of '
        f'{len(search.rounds)} rounds{because}.',
    )


def _advise_parts(search: Search) -> Advice | None:
    """Warn where the gain over the last round drowns what replicas say."""
    total = search.config.get('num_rounds')
    if not total or not all(
        is_published(entry, search.metric, total) for entry in search.rounds
    ):
        return None
    parts = [split_reward(entry, search.metric) for entry in search.rounds]
    local = np.nanmean(np.abs([p.local for p in parts]))
    shared = np.nanmean([abs(np.nanmean(p.improvement)) for p in parts])
    if not local or shared < _DOMINATES * local:
        return None
    return Advice(
        'warning',
        'The reward is mostly the gain over the round before, '
        f'{shared / local:.1f} times what tells the replicas apart. All '
        'replicas share it, so that every sample looks good while the model '
        'improves. A reward without it (preset `stable`) compares only the '
        'replicas of a round.',
    )
