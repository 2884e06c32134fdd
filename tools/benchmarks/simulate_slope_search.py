"""What SlopeSearch gains: its centre point, control, `noise`, and a rival.

Searches with the package's own controller on simulated metrics of whole
trainings: a concave response over the log-factors, curved by chance more in
some directions than in others, and noise. The first table compares designs
with a centre point and without at equal cost: the mean gain over the start in
PQ, and the share of searches that end below it. The second one has a control
with all weights 1, or none, and the gain over all weights 1. The third one
tells the searches another noise than that of the metrics. The fourth one
compares it with RandomSearch, which takes the best of as many trainings, or of
fewer. The fifth one shortens the step of the search, where the test images
have their optimum in another direction than the reward images.

python tools/benchmarks/simulate_slope_search.py
"""

from __future__ import annotations

import argparse
import copy
import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from mmada.commands.command_line import ends_with_reader
from mmada.controllers import RandomSearch, SlopeSearch, WeightController
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
CONTROLLED = [
    World(4, cost, room, noise)
    for cost, room, noise in (
        (1.0, 0.5, 0.5),
        (1.0, 2.0, 0.5),
        (3.0, 2.0, 1.0),
    )
]
# PQ of all weights 1 above that of the start.
ABOVE = (-1.0, 0.0, 1.0, 2.0, 3.0)
MISJUDGED = [
    World(4, 1.0, room, noise)
    for noise in (0.15, 0.6)
    for room in (0.25, 0.5, 1.0, 2.0)
]
ASSUMED = (0.15, 0.3, 0.6, 1.2)
COMPARED = [
    World(4, cost, room, noise)
    for noise in (0.5, 1.0)
    for cost in (1.0, 3.0)
    for room in (0.5, 2.0, 5.0)
]
MISLED = [World(4, 1.0, room, 0.5) for room in (0.5, 2.0, 5.0)]
AGREEMENTS = (1.0, 0.8, 0.6, 0.4)
"""Cosine between the ways to the optimum on reward and on test images."""
STEP_SIZES = (1.0, 0.75, 0.5, 0.25)
CANDIDATES = (5, 9)
SPREAD = 3.0
"""Factors of random search are up to so large, or as small."""
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
        self._room = world.room
        self._optimum = self._at_room(_normal(generator, size))

    def _at_room(self, direction: Tensor) -> Tensor:
        """Return the point in a direction with the room from the start."""
        room = float(direction @ self._curvature @ direction) / 2
        return direction * math.sqrt(self._room / room)

    def elsewhere(self, agreement: float, generator: Generator) -> Response:
        """Return the same response with its optimum in another direction.

        Args:
            agreement: Cosine between both directions from the start.
            generator: Chooses the other direction.
        """
        old = torch.nn.functional.normalize(self._optimum, dim=0)
        aside = _normal(generator, len(old))
        aside -= (aside @ old) * old
        aside = torch.nn.functional.normalize(aside, dim=0)
        other = copy.copy(self)
        other._optimum = self._at_room(
            agreement * old + math.sqrt(1 - agreement**2) * aside
        )
        return other

    def __call__(self, factors: Tensor) -> Tensor:
        """Return PQ at log-factors, shape ``(..., d)``."""
        way = factors - self._optimum
        loss = ((way @ self._curvature) * way).sum(-1) / 2
        return -WORST * (1 - (-loss / WORST).exp())


def gain(
    world: World,
    design: Design,
    seed: int,
    noise: float | None = None,
    agreement: float = 1.0,
    step: float = 1.0,
) -> float:
    """Return what a search gains over its start, in true PQ.

    Args:
        world: The response around the search's start.
        design: How it places its replicas.
        seed: Of the response and of chance.
        noise: That the search is told; None for the true one.
        agreement: How far the reward images show where test images gain.
        step: Share of the search's step that the training takes.
    """
    controller = SlopeSearch(
        world.directions + 1,
        1,
        design.num_replicas,
        sigma=SIGMA,
        noise=world.noise if noise is None else noise,
        centre=design.centre,
        control=False,
        seed=seed,
    )
    return _search(world, seed, controller, None, agreement, step)[0]


def random_gain(world: World, candidates: int, seed: int) -> float:
    """Return what the best of random candidates gains, in true PQ.

    Args:
        world: The response around the search's start, the first candidate.
        candidates: How many trainings are compared.
        seed: Of the response and of chance.
    """
    controller = RandomSearch(
        world.directions + 1,
        1,
        candidates,
        low=1 / SPREAD,
        high=SPREAD,
        seed=seed,
    )
    return _search(world, seed, controller)[0]


def gain_over_ones(
    world: World, above: float, control: bool, seed: int
) -> float:
    """Return what the training after a search gains over all weights 1.

    Args:
        world: The response around the search's start.
        above: PQ of all weights 1 above that of the start.
        control: Whether the search has a replica with all weights 1 more.
        seed: Of the response and of chance.
    """
    controller = SlopeSearch(
        world.directions + 1,
        1,
        9 + control,
        sigma=SIGMA,
        noise=world.noise,
        control=control,
        seed=seed,
    )
    found, learned = _search(
        world, seed, controller, above if control else None
    )
    return found - above if learned else 0.0


def _search(
    world: World,
    seed: int,
    controller: WeightController,
    above: float | None = None,
    agreement: float = 1.0,
    step: float = 1.0,
) -> tuple[float, bool]:
    """Return a search's gain over its start, and whether it has learned.

    Args:
        world: The response.
        seed: Of the response and of chance.
        controller: Before its only round.
        above: PQ of the last replica above that of the start, where it has
            all weights 1, which is no point of the response.
        agreement: Cosine between the ways to the optimum on the images that
            reward it and on those that tell the gain.
        step: Share of what it found that the training uses.
    """
    generator = Generator().manual_seed(seed)
    response = Response(world, generator)
    size = world.directions + 1
    basis, losses = centred_basis(size), torch.ones(size)
    factors = controller.propose(losses).log() @ basis.T
    metrics = response(factors)
    start = response(torch.zeros(world.directions, dtype=torch.float64))
    if above is not None:
        metrics[-1] = start + above
    metrics += LEVEL + world.noise * _normal(generator, len(metrics))
    result = controller.observe(metrics, None)
    found = controller.ensemble().best_weights.log() @ basis.T
    learned = controller.learned([result.updated], metrics[None])
    test = response.elsewhere(agreement, generator)
    return float(test(step * found) - start), learned


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def table(num_searches: int, worlds: Sequence[World]) -> list[str]:
    """Return the rows of a Markdown table."""
    rows = _head([design.name for design in DESIGNS])
    for world in worlds:
        cells = [
            _cell([gain(world, design, seed) for seed in range(num_searches)])
            for design in DESIGNS
        ]
        rows.append(f'{_left(world)} | {" | ".join(cells)} |')
    return rows


def control_table(num_searches: int, worlds: Sequence[World]) -> list[str]:
    """Return the rows of a Markdown table."""
    rows = _head(['ones', 'without control', 'with control'])
    for world in worlds:
        for above in ABOVE:
            cells = [
                _cell(
                    [
                        gain_over_ones(world, above, control, seed)
                        for seed in range(num_searches)
                    ]
                )
                for control in (False, True)
            ]
            rows.append(f'{_left(world)} | {above:+g} | {" | ".join(cells)} |')
    return rows


def noise_table(num_searches: int, worlds: Sequence[World]) -> list[str]:
    """Return the rows of a Markdown table."""
    rows = _head([f'told {noise}' for noise in ASSUMED])
    for world in worlds:
        cells = [
            _cell(
                [
                    gain(world, Design(9, True), seed, noise)
                    for seed in range(num_searches)
                ]
            )
            for noise in ASSUMED
        ]
        rows.append(f'{_left(world)} | {" | ".join(cells)} |')
    return rows


def random_table(num_searches: int, worlds: Sequence[World]) -> list[str]:
    """Return the rows of a Markdown table."""
    rows = _head(['slope of 9', *(f'random, {n}' for n in CANDIDATES)])
    seeds = range(num_searches)
    for world in worlds:
        cells = [_cell([gain(world, Design(9, True), seed) for seed in seeds])]
        cells += [
            _cell([random_gain(world, number, seed) for seed in seeds])
            for number in CANDIDATES
        ]
        rows.append(f'{_left(world)} | {" | ".join(cells)} |')
    return rows


def step_table(num_searches: int, worlds: Sequence[World]) -> list[str]:
    """Return the rows of a Markdown table."""
    rows = _head(['agreement', *(f'step x{size:g}' for size in STEP_SIZES)])
    for world in worlds:
        for agreement in AGREEMENTS:
            cells = [
                _cell(
                    [
                        gain(
                            world,
                            Design(9, True),
                            seed,
                            agreement=agreement,
                            step=size,
                        )
                        for seed in range(num_searches)
                    ]
                )
                for size in STEP_SIZES
            ]
            rows.append(
                f'{_left(world)} | {agreement} | {" | ".join(cells)} |'
            )
    return rows


def _head(names: Sequence[str]) -> list[str]:
    return [
        f'| directions | noise | {SIGMA} away costs | room | '
        f'{" | ".join(names)} |',
        '| ---: ' * (4 + len(names)) + '|',
    ]


def _left(world: World) -> str:
    return (
        f'| {world.directions} | {world.noise} | {world.cost:g} | '
        f'{world.room:g}'
    )


def _cell(gains: Sequence[float]) -> str:
    below = sum(each < -HARM for each in gains) / len(gains)
    return f'{statistics.fmean(gains):+.2f}, {below:.0%}'


TABLES: dict[str, tuple[Callable[..., list[str]], list[World]]] = {
    'designs': (table, WORLDS),
    'control': (control_table, CONTROLLED),
    'noise': (noise_table, MISJUDGED),
    'random': (random_table, COMPARED),
    'step': (step_table, MISLED),
}


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--searches', type=int, default=50)
    parser.add_argument(
        '--tables', nargs='+', choices=TABLES, default=list(TABLES)
    )
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in args.tables:
        rows, worlds = TABLES[name]
        print('\n'.join(rows(args.searches, worlds)), '\n')


if __name__ == '__main__':
    main()
