"""What an exploration costs beside the trainings it consists of.

T rounds of m replicas on one process, against T m ordinary trainings of
MMEngine: a Runner each, the bare detector, as many iterations, one evaluation
on the same images. Half of them run before the exploration and half after.
Counted is what `Runner.train` does: once all of it, and once from
`before_train` to `after_train`, which leaves out that each Runner reads its
data sets anew. The exploration holds the look at the model, the pseudo epoch,
its commits and what is written at the end. The ordinary trainings save no
checkpoint. The pseudo epoch trains and is evaluated as any segment, so it is
taken out at the price of one ordinary training.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/exploration_cost.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from measure import busy, parser, show_ratio, show_surroundings
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tiny_problem import TinyProblem

from mmada.commands.command_line import ends_with_reader


class Span(Hook):
    """Times a training without its set-up: iterations and evaluation.

    Attributes:
        seconds: How long it took.
    """

    def before_train(self, runner: Any) -> None:
        """Start the clock: all is built."""
        self._began = busy()

    def after_train(self, runner: Any) -> None:
        """Stop the clock."""
        self.seconds = busy() - self._began


def train(config: Config) -> tuple[float, float]:
    """Return the seconds of `Runner.train`, with set-up and without."""
    runner = Runner.from_cfg(config)
    span = Span()
    runner.register_hook(span)
    began = busy()
    runner.train()
    return busy() - began, span.seconds


class Comparison:
    """Explorations and ordinary trainings of the same work.

    Args:
        problem: Model and data; its epoch is a segment.
        rounds: T.
        replicas: m.
    """

    def __init__(
        self, problem: TinyProblem, rounds: int, replicas: int
    ) -> None:
        self.problem = problem
        self.rounds = rounds
        self.replicas = replicas
        self.segments = rounds * replicas
        self.explorations: list[tuple[float, float]] = []
        self.trainings: list[tuple[float, float]] = []

    def repeat(self) -> None:
        """Do the same work once in both ways."""
        tag = len(self.explorations)
        half = self.segments // 2
        before = [self._train(f'{tag}_{i}') for i in range(half)]
        self.explorations.append(
            train(
                self.problem.exploring(
                    f'exploration_{tag}', self.rounds, self.replicas
                )
            )
        )
        after = [self._train(f'{tag}_{i}') for i in range(half, self.segments)]
        whole, inner = zip(*before, *after, strict=True)
        self.trainings.append((sum(whole), sum(inner)))

    def show(self) -> None:
        """Print the ratios."""
        for i, name in enumerate(('with set-up', 'without set-up')):
            explorations = [times[i] for times in self.explorations]
            trainings = [times[i] for times in self.trainings]
            one = [t / self.segments for t in trainings]
            print(f'{sum(one) / len(one):.2f} s a training {name}')
            show_ratio(
                f'exploration / {self.segments} trainings, {name}',
                explorations,
                trainings,
            )
            show_ratio(
                f'less one training for the pseudo epoch, {name}',
                [e - t for e, t in zip(explorations, one, strict=True)],
                trainings,
                'goal: at most 1.03',
            )

    def _train(self, name: str) -> tuple[float, float]:
        return train(self.problem.bare(f'training_{name}'))


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print the ratios."""
    options = parser(__doc__, repeats=3)
    options.add_argument('--rounds', type=int, default=2)
    options.add_argument('--replicas', type=int, default=4)
    options.add_argument('--iters', type=int, default=30)
    options.add_argument('--reward', type=int, default=48)
    args = options.parse_args(argv)
    if args.quick:
        args.repeats = args.rounds = args.iters = 1
        args.replicas = args.reward = 2
    show_surroundings(
        f'{args.rounds} rounds of {args.replicas} replicas, {args.iters} '
        f'iterations and {args.reward} evaluated images each'
    )
    with tempfile.TemporaryDirectory() as name:
        problem = TinyProblem(Path(name), args.iters, args.reward)
        train(problem.bare('warm_up'))
        comparison = Comparison(problem, args.rounds, args.replicas)
        for _ in range(args.repeats):
            comparison.repeat()
    comparison.show()


if __name__ == '__main__':
    main()
