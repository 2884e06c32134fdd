"""A search whose plans are written down."""

import math

import torch
from mmengine.registry import TASK_UTILS

from mmada.controllers import (
    AdaSegment,
    Rest,
    RoundResult,
    Start,
    WeightController,
    select_best,
)
from tests.support import processes, toy

PLAN_OF = dict(
    n=Start.INITIAL, o=Start.OWN, p=Rest.PAUSED, e=Rest.EMPTY, b=Start.BEST
)


@TASK_UTILS.register_module()
class Planned(WeightController):
    """Each round's plan is a word: n(ew), o(wn), p(aused), e(mpty)."""

    start = Start.OWN

    def __init__(
        self, plans, table, num_objectives, num_rounds, seed, over=math.inf
    ):
        super().__init__(num_objectives, num_rounds, len(table))
        self.table = torch.tensor(table, dtype=torch.float64)
        self.plans, self.over, self.told = plans, over, []

    @classmethod
    def training_rounds(cls, num_rounds, options):
        return 3

    @property
    def finished(self):
        return len(self.told) >= self.over

    def plan(self):
        return tuple(PLAN_OF[c] for c in self.plans[len(self.told)])

    def propose(self, losses):
        return self.table

    def observe(self, metrics, reference):
        self.told.append(metrics.tolist())
        rewards = torch.zeros(len(metrics))
        return RoundResult(select_best(metrics), rewards, False, {}, '')

    def ensemble(self):
        search = AdaSegment(self.num_objectives, 1, 2)
        search.propose(torch.ones(2))
        search.observe(torch.tensor([0.0, 1.0]), None)
        return search.ensemble()

    def state_dict(self):
        return dict(told=list(self.told))

    def load_state_dict(self, state):
        self.told = list(state['told'])


def exploration(plans, table, **options):
    """Returns the config of a loop that follows the plans."""
    controller = dict(type='Planned', plans=plans, table=table)
    if 'over' in options:
        controller['over'] = options.pop('over')
    return toy.exploration(
        num_rounds=options.pop('num_rounds', len(plans)),
        controller=controller,
        **options,
    )


def explore(work_dir, **options):
    """Follows the plans on this rank, or what is left of them."""
    toy.runner(
        work_dir,
        train_cfg=exploration(**options),
        resume=True,
        **processes.join(),
    ).train()
