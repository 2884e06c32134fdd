"""What becomes of Ada-Segment where the paper leaves something open.

Searches with the package's own controller on simulated metrics: ten losses of
a cascade, a metric that falls with the squared distance of the log-weights
from an optimum near inverse-loss weighting, or near ones, and noise. Printed
are, by reading of the paper, the searches whose weights are all positive at
the end, and what the combined policy (Eq. 7) gains: 0 is inverse-loss
weighting, where a search starts, 1 the optimum.

python tools/benchmarks/simulate_ada_segment.py
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from mmada.commands.command_line import ends_with_reader
from mmada.controllers import AdaSegment, select_best

LOSSES = torch.tensor(
    [0.23, 0.05, 0.22, 0.18, 0.035, 0.21, 0.17, 0.012, 0.20, 1.17],
    dtype=torch.float64,
)
DISTANCE = 0.6
"""Of the optimum from what it is near to, in each log-weight."""
NOISE = 0.3
"""Standard deviation of a metric by chance. Log-weights that differ by
`SPREAD` make as large a difference."""
SPREAD = 0.3
FULL = 2.0
"""Change of the metric in a round from which on weights matter as much; where
a round changes less, they matter less."""
WORST = 5.0
"""Largest loss of worth, half a squared distance of log-weights."""
DECAY = 0.95
"""Of the losses in a round."""


class World(NamedTuple):
    """How a training goes.

    Attributes:
        course: Metric before the first round and after each, at the start.
        num_replicas: Number m.
        near_ones: Whether the optimum is near ones.
    """

    course: tuple[float, ...]
    num_replicas: int
    near_ones: bool = False


RISING = (0, 15, 22, 26, 29, 31, 33, 35, 36.5, 38, 39, 40, 41)
WORLDS = {
    'rises': World(RISING, 8),
    'rises, near ones': World(RISING, 8, near_ones=True),
    'falls first': World((34, 28, 30, 32, 34, 36, 37), 4),
}
READINGS: dict[str, dict[str, Any]] = {
    f'{steps} step{"s" * (steps > 1)}, {reference}': dict(
        updates_per_round=steps, first_reference=reference
    )
    for steps, reference in (
        (1, 'pseudo'),
        (1, 'start'),
        (5, 'start'),
        (20, 'none'),
        (20, 'pseudo'),
        (20, 'zero'),
        (20, 'start'),
        (50, 'start'),
    )
}
READINGS['20 steps, without r_imp'] = dict(reward='local')


class Outcome(NamedTuple):
    """Of one search."""

    alive: bool
    gain: float


class Response:
    """The metric as a function of the weights.

    Args:
        generator: Draws the optimum.
        near_ones: Whether the optimum is near ones.
    """

    def __init__(self, generator: Generator, near_ones: bool) -> None:
        self.start = _centred(-LOSSES.log())
        noise = _centred(DISTANCE * _normal(generator, len(LOSSES)))
        self._optimum = noise if near_ones else self.start + noise
        near = self.start + SPREAD * _normal(generator, 256, len(LOSSES))
        self._unit = NOISE / float(self.worth(near.exp()).std())

    def worth(self, weights: Tensor) -> Tensor:
        """Return minus half the squared distance, bounded, ``(...)``."""
        way = _centred(weights.clamp(min=1e-3).log()) - self._optimum
        return -WORST * (1 - (-way.square().sum(-1) / 2 / WORST).exp())

    def effect(self, weights: Tensor) -> Tensor:
        """Return what weights are better by than the start, ``(...)``."""
        start = self.worth(self.start.exp())
        return self._unit * (self.worth(weights) - start)

    def gain(self, weights: Tensor) -> float:
        """Return the share of the way from the start to the optimum."""
        return float(1 - self.worth(weights) / self.worth(self.start.exp()))


def search(world: World, options: dict[str, Any], seed: int) -> Outcome:
    """Run one search."""
    generator = Generator().manual_seed(seed)
    response = Response(generator, world.near_ones)
    rounds = len(world.course) - 1
    controller = AdaSegment(
        len(LOSSES), rounds, world.num_replicas, 'paper', seed, **options
    )
    level, reference = (
        world.course[0],
        first_reference(controller, world, response, generator),
    )
    for t in range(rounds):
        weights = controller.propose(LOSSES * DECAY**t)
        rise = world.course[t + 1] - world.course[t]
        share = min(1.0, abs(rise) / FULL)
        truth = level + rise + share * response.effect(weights)
        metrics = truth + NOISE * _normal(generator, len(truth))
        controller.observe(metrics, reference)
        best = select_best(metrics)
        level, reference = float(truth[best]), float(metrics[best])
    return outcome(controller, response)


def first_reference(
    controller: AdaSegment,
    world: World,
    response: Response,
    generator: Generator,
) -> float | None:
    """Return what the engine would give the first round."""
    noise = NOISE * float(_normal(generator, 1))
    ones = float(response.effect(torch.ones_like(LOSSES)))
    return dict(
        start=world.course[0],
        pseudo=world.course[1] + ones + noise,
        zero=0.0,
        none=None,
    )[controller.first_reference]


def outcome(controller: AdaSegment, response: Response) -> Outcome:
    """Return what a search leaves."""
    ensemble = controller.ensemble()
    rounds = controller.num_rounds
    last = ensemble.policies[-1].weights(LOSSES * DECAY**rounds)
    gains = [
        response.gain(
            ensemble.weights(epoch, rounds, LOSSES * DECAY ** (epoch - 1))
        )
        for epoch in range(1, rounds + 1)
    ]
    return Outcome(bool((last > 0).all()), statistics.fmean(gains))


def _centred(values: Tensor) -> Tensor:
    return values - values.mean(-1, keepdim=True)


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def table(num_searches: int, readings: Sequence[str]) -> list[str]:
    """Return the rows of a Markdown table."""
    rows = [
        '| steps, first reference | '
        + ' | '.join(f'{name}: alive | gain' for name in WORLDS)
        + ' |',
        '| --- ' + '| ---: ' * (2 * len(WORLDS)) + '|',
    ]
    for reading in readings:
        cells = []
        for world in WORLDS.values():
            found = [
                search(world, READINGS[reading], seed)
                for seed in range(num_searches)
            ]
            gains = [each.gain for each in found]
            alive = sum(each.alive for each in found) / num_searches
            error = statistics.stdev(gains) / math.sqrt(num_searches)
            cells += [
                f'{alive:.0%}',
                f'{statistics.fmean(gains):+.2f} ± {error:.2f}',
            ]
        rows.append(f'| {reading} | {" | ".join(cells)} |')
    return rows


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--searches', type=int, default=4)
    parser.add_argument('--readings', nargs='+', default=list(READINGS))
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print('\n'.join(table(args.searches, args.readings)))


if __name__ == '__main__':
    main()
