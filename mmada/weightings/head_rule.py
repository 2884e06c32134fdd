"""The head rule: loss weights act on the shared trunk only."""

from __future__ import annotations

from collections.abc import Sequence


def head_factor(
    weights: Sequence[float],
    owners: Sequence[int],
    limits: tuple[float, float],
) -> float:
    r"""Returns the learning-rate factor of a parameter.

    .. math:: f = 1 / \mathrm{mean}_{i \in O} \lambda_i

    for a parameter of a head, that is, one whose objectives O are neither
    none nor all; 1 for the trunk, for what no objective reaches, and where
    the mean is 0: then there is nothing to shield but momentum and decay.
    Source: Ada-Segment (AAAI 2021), "Implementation Details", with O instead
    of a single loss so that layers shared by some heads are covered.

    Args:
        weights: The n loss weights, >= 0.
        owners: Indices O of the objectives that reach the parameter.
        limits: Smallest and largest factor.
    """
    if not 0 < len(owners) < len(weights):
        return 1.0
    mean = sum(weights[i] for i in owners) / len(owners)
    low, high = limits
    return min(max(1 / mean, low), high) if mean > 0 else 1.0
