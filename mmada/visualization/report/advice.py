"""What the numbers of a search mean, in plain language."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmada.visualization.history import Search, short
from mmada.visualization.report.analysis import (
    RoundNoise,
    count_draws,
    info_values,
    invalid_counts,
    is_published,
    noises,
    split_reward,
)

Level = Literal['good', 'note', 'warning']
_FEW_DRAWS = math.comb(7, 4)  # of four images: 4 of 4, with replacement
_SMALL_KL = 1e-3
_LARGE_KL = 1.0
_SURE = 0.1
_CONVINCED = 0.5
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
    if (nothing := _advise_equal(search)) is not None:
        return [nothing]
    found = [
        _advise_few_images(search) or _advise_noise(noises(search)),
        _advise_invalid(search),
        _advise_step(info_values(search, 'kl')),
        _advise_confidence(info_values(search, 'confidence')),
        _advise_curvature(search.rounds[-1].info),
        _advise_control(search.rounds[-1].info),
        _advise_updates(search),
        _advise_parts(search),
    ]
    return [advice for advice in found if advice]


def _advise_equal(search: Search) -> Advice | None:
    """Say so if all replicas of all rounds have the same metric."""
    values = search.values(search.metric)
    known = values[np.isfinite(values)]
    if known.size < 2 or np.ptp(known) > 0 or any(invalid_counts(search)):
        return None
    return Advice(
        'warning',
        f'All replicas of all rounds scored {known[0]:.4g} '
        f'({short(search.metric)}), so that nothing could be learned from '
        'them. Look whether the reward data and the metric fit the model '
        '(`mmada check-reward`), and whether rounds are long enough.',
    )


def _advise_few_images(search: Search) -> Advice | None:
    """Warn where resamples cannot tell the noise, as they are so alike."""
    known = [r.resamples for r in search.rounds if r.resamples is not None]
    if not known or min(r.shape[1] for r in known) < 2 * _FEW_DRAWS:
        return None
    # Round by round: a resumed search may have another number of resamples.
    different = max(map(count_draws, known))
    if different > _FEW_DRAWS:
        return None
    return Advice(
        'warning',
        f'The {known[0].shape[1]} resamples of the reward images give only '
        f'{different} different result(s), so that the rewards rest on a few '
        'images or objects. Chance in them decides between the replicas, and '
        'their noise cannot be measured. Use more reward images.',
    )


def _advise_noise(found: Sequence[RoundNoise | None]) -> Advice:
    known = [noise for noise in found if noise is not None]
    if not known:
        return Advice(
            'note',
            'The run did not record its reward metric on resampled images, '
            'so that this page cannot separate signal from noise.',
        )
    lost = sum(noise.comparison == 'noise' for noise in known)
    clear = sum(noise.comparison == 'signal' for noise in known)
    if lost > len(known) / 3:
        return Advice(
            'warning',
            'The replicas differ by less than the noise of the metric in '
            f'{lost} of {len(known)} rounds, so that most of their rewards '
            'is noise. Use more reward images or longer rounds.',
        )
    stand_out = (
        'The replicas differ by clearly more than the noise of the metric in '
        f'{clear} of {len(known)} rounds'
    )
    if clear < len(known) / 3:
        return Advice(
            'warning',
            f'{stand_out} only. Use more reward images or longer rounds.',
        )
    return Advice(
        'good' if clear > len(known) / 2 else 'note',
        stand_out + (f', and by less in {lost}.' if lost else '.'),
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
        f'{_lost_by(search)}.',
    )


def _lost_by(search: Search) -> str:
    """Say why trained replicas have no metric, and what helps."""
    unmeasured = sum(
        bool(metrics) and not math.isfinite(value)
        for entry in search.rounds
        for metrics, value in zip(
            entry.metrics, entry.values(search.metric), strict=True
        )
    )
    if unmeasured:
        return (
            f'it was not measured for {unmeasured} of them, as without such '
            'objects in the reward data, and the others diverged'
        )
    return (
        'they diverged. Where that happens often, lower the learning rate or '
        'search a narrower range'
    )


def _advise_step(kl: Sequence[float]) -> Advice | None:
    middle = _median(kl)
    if middle is None:
        return None
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
            f'{text} in the median: a single round overturns it. A smaller '
            'step would average over more rounds.',
        )
    return Advice('good', f'{text} in the median.')


def _advise_confidence(confidence: Sequence[float]) -> Advice | None:
    middle = _median(confidence)
    if middle is None:
        return None
    if sum(map(math.isfinite, confidence)) == 1:
        return _advise_only_step(middle)
    text = f'The confidence in the steps is {middle:.0%} in the median'
    if middle < _SURE:
        return Advice(
            'warning',
            f'{text}: the rounds contradict each other, and the steps follow '
            'chance.',
        )
    return Advice('good' if middle >= _CONVINCED else 'note', f'{text}.')


def _advise_only_step(confidence: float) -> Advice:
    """Say how well the slope is known that one step was taken along."""
    text = f'The confidence in the step is {confidence:.0%}'
    if confidence < _SURE:
        return Advice(
            'warning',
            f'{text}: chance explains the slope between the replicas.',
        )
    return Advice('good' if confidence >= _CONVINCED else 'note', f'{text}.')


def _advise_curvature(info: Mapping[str, float | None]) -> Advice | None:
    """Say how a response-surface design found the length of its step."""
    curvature, step = info.get('curvature'), info.get('step')
    if curvature is None or not step:
        return None
    if curvature <= 0:
        return Advice(
            'note',
            'The response shows no curvature: the centre point ended no '
            'higher than the mean of the other points. So the step goes '
            f'as far as these points are, {step:.2g} in log-factors.',
        )
    return Advice(
        'good',
        f'The response is curved: {curvature:.2g} of the metric are lost one '
        'standard deviation of a log-factor away from the centre point, '
        f'whatever the direction. The step is {step:.2g} long in log-factors.',
    )


def _advise_control(info: Mapping[str, float | None]) -> Advice | None:
    """Say whether the policy promises more than all weights 1 reached."""
    control, promised = info.get('control'), info.get('promised')
    if promised is None:
        return None
    if control is None:
        return Advice(
            'warning',
            'The replica with all weights 1 ended without a metric, so that '
            'nothing tells whether the policy is better than they are.',
        )
    text = (
        f'The policy promises {promised:.4g} of the metric, where the '
        f'replica with all weights 1 ended at {control:.4g}'
    )
    # Not in the records of early versions, in which any lead counted.
    margin = info.get('margin') or 0.0
    if promised - control <= margin:
        lead = f'no lead of more than {margin:.3g}, ' if margin else ''
        return Advice(
            'warning',
            f'{text}: {lead}a training with the policy has all weights 1.',
        )
    return Advice('good' if info.get('confidence') else 'note', f'{text}.')


def _median(values: Sequence[float]) -> float | None:
    """Return the median of the finite values, None if there are none."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else None


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
        f'{shared / local:.1f} times what differs between the replicas. All '
        'replicas share it, so that every sample looks good while the model '
        'improves. A reward without it (preset `stable`) compares only the '
        'replicas of a round.',
    )
