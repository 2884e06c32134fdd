"""What weighted losses cost in an iteration of an ordinary training.

The demo's tiny panoptic detector, wrapped, with LossWeightingHook and head
rule, against the bare detector with MMEngine's own hooks. All trainings take
turns iteration by iteration, on the same batches and with the same random
numbers; with weights of 1 the parameters have to end equal to the bit. The
bare one runs twice, to show which differences mean nothing; where its own
parameters end unequal, as on a GPU that adds up in any order, no equality is
asked for. Loading of data is not counted, nor the pseudo epoch that some
weightings begin with.

What the head rule has in it shows beside two more: one without it, and one in
which all gradients of heads are multiplied at once, after the backward pass.
That gives the same bits here, but not where gradients are accumulated, summed
over ranks or computed by several passes, so it is no mode.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/weighting_overhead.py
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import torch
from measure import busy, parser, show_ratio, show_surroundings
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, Runner
from tiny_problem import TinyProblem
from torch import Tensor, nn

from mmada.commands.command_line import ends_with_reader
from mmada.engine.optimizers import remove_head_rule
from mmada.engine.optimizers.head_rule import head_factor
from mmada.utils.seeding import seed_all

GOALS = ('weights of 1', 'uneven weights')
UNEVEN = (0.5, 1.5, 0.8, 1.2)


@LOOPS.register_module()
class SteppedLoop(EpochBasedTrainLoop):
    """An epoch that is begun here, its iterations called from outside."""

    def run(self) -> nn.Module:
        """Begin the epoch."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        return self.runner.model


class Side:
    """A training of which single iterations are timed.

    Args:
        config: Config of an epoch.
    """

    def __init__(self, config: Config) -> None:
        config.train_cfg.type = 'SteppedLoop'
        self.runner = Runner.from_cfg(config)
        seed_all(0)
        self.runner.train()
        self.seconds: list[float] = []

    def step(self, index: int, batch: Any) -> None:
        """Do an iteration with all its hooks."""
        batch = copy.deepcopy(batch)
        seed_all(index)
        began = busy()
        self.runner.train_loop.run_iter(index, batch)
        self.seconds.append(busy() - began)


def make_sides(problem: TinyProblem) -> dict[str, Side]:
    """Return the trainings that are compared, the bare one first."""
    one_group = problem.bare('one_group')
    one_group.optim_wrapper.pop('paramwise_cfg')
    return {
        'bare': Side(problem.bare('bare')),
        'bare, a second time': Side(problem.bare('again')),
        'weights of 1': Side(problem.weighted('ones')),
        'uneven weights': Side(problem.weighted('uneven', UNEVEN)),
        'uneven weights, no head rule': without_head_rule(problem),
        'uneven weights, multiplied at once': multiplied_at_once(problem),
        'bare, all parameters in one group': Side(one_group),
    }


def without_head_rule(problem: TinyProblem) -> Side:
    """Return a training whose weights act on the heads as well."""
    side = Side(problem.weighted('unshielded', UNEVEN))
    remove_head_rule(side.runner.optim_wrapper)
    return side


def multiplied_at_once(problem: TinyProblem) -> Side:
    """Return a training whose gradients of heads are multiplied together."""
    side = Side(problem.weighted('at_once', UNEVEN))
    wrapper = side.runner.optim_wrapper
    remove_head_rule(wrapper)
    backward = wrapper.backward
    heads: dict[nn.Parameter, float] = {}

    def scaled(loss: Tensor) -> None:
        backward(loss)
        if not heads:  # which they are is found in the first iteration
            heads.update(_factors(wrapper))
        # A batch may have no loss of a head.
        found = [(p.grad, f) for p, f in heads.items() if p.grad is not None]
        torch._foreach_mul_([g for g, _ in found], [f for _, f in found])

    wrapper.backward = scaled
    return side


def _factors(wrapper: OptimWrapper) -> dict[nn.Parameter, float]:
    factors = {
        group['params'][0]: head_factor(
            UNEVEN, group.get('objectives', ()), (0.01, 100.0)
        )
        for group in wrapper.param_groups
    }
    return {p: factor for p, factor in factors.items() if factor != 1}


def run(problem: TinyProblem, warm_up: int) -> dict[str, Side]:
    """Run an epoch of all sides, taking turns in changing order."""
    sides = make_sides(problem)
    players = list(sides.values())
    for i, batch in enumerate(players[0].runner.train_dataloader):
        first = i % len(players)
        for side in players[first:] + players[:first]:
            side.step(i, batch)
    for side in players:
        del side.seconds[:warm_up]
    return sides


def find_difference(first: nn.Module, second: nn.Module) -> str | None:
    """Return the first parameter or buffer that differs in a bit."""
    others = second.state_dict()
    for name, value in first.state_dict().items():
        if not torch.equal(value, others[name]):
            return name
    return None


PAIRS = {
    'bare': 'weights of 1',
    'uneven weights': 'uneven weights, multiplied at once',
}
"""Trainings that are one to the bit."""


def check_equal(sides: dict[str, Side]) -> None:
    """Raise a RuntimeError if trainings differ that should not."""
    models = {name: side.runner.model for name, side in sides.items()}
    if find_difference(models['bare'], models['bare, a second time']):
        print('the bare training does not repeat itself to the bit')
        return
    for one, other in PAIRS.items():
        if name := find_difference(models[one], models[other]):
            raise RuntimeError(f'{one} and {other} differ in {name}')


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print the ratios."""
    args = parser(__doc__, repeats=300).parse_args(argv)
    warm_up, repeats = (1, 2) if args.quick else (10, args.repeats)
    show_surroundings(
        'An iteration of 4 images, in units of one of the bare detector'
    )
    with tempfile.TemporaryDirectory() as name:
        problem = TinyProblem(Path(name), warm_up + repeats, reward=1)
        sides = run(problem, warm_up)
    check_equal(sides)
    bare = sides.pop('bare')
    milliseconds = 1000 * sum(bare.seconds) / len(bare.seconds)
    print(f'{milliseconds:.1f} ms an iteration of the bare detector')
    for name, side in sides.items():
        goal = 'goal: at most 1.01' if name in GOALS else 'no goal'
        show_ratio(name, side.seconds, bare.seconds, goal)


if __name__ == '__main__':
    main()
