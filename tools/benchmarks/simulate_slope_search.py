"""What SlopeSearch gains with a centre point and without, at equal cost.

Searches with the package's own controller on simulated metrics of whole
trainings: a concave response over the log-factors, curved by chance more in
some directions than in others, and noise. Printed are the mean gain over the
start in PQ and the share of searches that end below it.

python tools/benchmarks/simulate_slope_search.py
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from mmada.controllers import SlopeSearch
from mmada.policies.policy import centred_basis

SIGMA = 1.2
ANISOTROPY = 0.5
"""Standard deviation of the logarithm of the curvature over directions."""
WORST = 12.0
"""Largest loss of the response, in PQ."""
LEVEL = 30.0
HARM = 0.05
"""Loss of PQ from which on a search counts as one that ends below."""


class World(NamedTuple):
    """A kind of response.

    Attributes:
        directions: Groups of objectives less one.
        cost: PQ that is lost `SIGMA` away from the optimum in one direction.
        room: PQ from the start to the optimum.
        noise: Standard deviation of a training's PQ by chance.
    """

    directions: int
    cost: float
    room: float
    noise: float


class Design(NamedTuple):
    """How a search places its replicas."""

    num_replicas: int
    centre: bool

    @property
    def name(self) -> str:
        """Points of the design, and the centre point."""
        outer = self.num_replicas - self.centre
        return f'{outer} + 1' if self.centre else f'{outer}'


WORLDS = [
    World(directions, cost, room, noise)
    for directions, noise in ((4, 0.5), (4, 1.0), (3, 0.5))
    for cost in (1.0, 3.0)
    for room in (0.5, 2.0, 5.0)
]
# Pairs of equal cost.
DESIGNS = [
    Design(replicas, centre) for replicas in (9, 8) for centre in (False, True)
]


class Response:
    """Metric of a training over its log-factors, 0 at the optimum."""

    def __init__(self, world: World, generator: Generator) -> None:
        size = world.directions
        values = (ANISOTROPY * _normal(generator, size)).exp()
        values *= 2 * world.cost / SIGMA**2 / values.mean()
        axes, _ = torch.linalg.qr(_normal(generator, size, size))
        self._curvature = axes @ values.diag() @ axes.T
        optimum = _normal(generator, size)
        room = float(optimum @ self._curvature @ optimum) / 2
        self._optimum = optimum * math.sqrt(world.room / room)

    def __call__(self, factors: Tensor) -> Tensor:
        """Return PQ at log-factors, shape ``(..., d)``."""
        way = factors - self._optimum
        loss = ((way @ self._curvature) * way).sum(-1) / 2
        return -WORST * (1 - (-loss / WORST).exp())


def gain(world: World, design: Design, seed: int) -> float:
    """Return what a search gains over its start, in true PQ."""
    generator = Generator().manual_seed(seed)
    response = Response(world, generator)
    size = world.directions + 1
    basis, losses = centred_basis(size), torch.ones(size)
    controller = SlopeSearch(
        size,
        num_rounds=1,
        num_replicas=design.num_replicas,
        sigma=SIGMA,
        noise=world.noise,
        centre=design.centre,
        control=False,
        seed=seed,
    )
    factors = controller.propose(losses).log() @ basis.T
    chance = world.noise * _normal(generator, len(factors))
    controller.observe(LEVEL + response(factors) + chance, None)
    found = controller.ensemble().best_weights.log() @ basis.T
    return float(response(found) - response(torch.zeros_like(found)))


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def table(num_searches: int, worlds: Sequence[World]) -> list[str]:
    """Return the rows of a Markdown table."""
    names = ' | '.join(design.name for design in DESIGNS)
    rows = [
        f'| directions | noise | {SIGMA} away costs | room | {names} |',
        '| ---: ' * (4 + len(DESIGNS)) + '|',
    ]
    for world in worlds:
        cells = []
        for design in DESIGNS:
            gains = [gain(world, design, seed) for seed in range(num_searches)]
            below = sum(each < -HARM for each in gains) / num_searches
            cells.append(f'{statistics.fmean(gains):+.2f}, {below:.0%}')
        rows.append(
            f'| {world.directions} | {world.noise} | {world.cost:g} | '
            f'{world.room:g} | {" | ".join(cells)} |'
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--searches', type=int, default=50)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print('\n'.join(table(args.searches, WORLDS)))


if __name__ == '__main__':
    main()
