"""A config whose losses are weighted."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from mmada.commands.adapt import search
from mmada.commands.adapt.methods import Method, Setting
from mmada.commands.adapt.model_losses import find_losses
from mmada.commands.adapt.objectives import (
    Grouping,
    each_loss,
    group_losses,
    without_others,
)
from mmada.commands.adapt.panoptic import (
    PANOPTIC,
    parts_without_panopticapi,
)
from mmada.commands.adapt.rewards import find_reward
from mmada.commands.adapt.source import Code, assignment, comment
from mmada.commands.adapt.stock import Stock, type_of, undeclared_hooks
from mmada.commands.adapt.written_config import (
    Adapted,
    head,
    join,
    path_of_base,
)
from mmada.engine.hooks import EpochSeedHook
from mmada.engine.optimizers import HeadRuleOptimWrapperConstructor
from mmada.engine.replicas.replica_hooks import InReplicas
from mmada.models import LossWeightWrapper
from mmada.policies.policy_file import load_policy

# What begins late in a training, by the hook of the stock config.
LATE = dict(YOLOXModeSwitchHook='loss_l1')
_REPLACED = 'dict(objectives, _delete_=True)'
"""Objectives in place of those of a model that is weighted already."""


def head_rule(optimizer: str, every_iteration: bool) -> tuple[str, str]:
    """Return the mode of the head rule, and why.

    Args:
        optimizer: Its type.
        every_iteration: Whether the weights change at every iteration.
    """
    if every_iteration:
        return 'grad', (
            'The weights change at every iteration, so the gradient of a head '
            'is divided by its weight, which is exact with momentum, too.'
        )
    if optimizer == 'SGD':
        return 'corrected_lr', (
            'With SGD the learning rate of a head is divided by its weight, '
            'and its momentum is rescaled where the weight changes.'
        )
    return 'grad', (
        f'The step of {optimizer} hardly depends on the size of a gradient, '
        'so that of a head is divided by its weight.'
    )


class WeightedConfig:
    """Writes a config whose losses are weighted.

    Args:
        stock: The stock config.
        method: What sets the weights.
        args: Of the command.
    """

    def __init__(
        self, stock: Stock, method: Method, args: argparse.Namespace
    ) -> None:
        self.stock, self.method, self.args = stock, method, args
        self.out = shlex.quote(str(args.out))  # in commands to paste
        self.decided: list[str] = []
        self.left_open: list[str] = []

    def write(self) -> Adapted:
        """Return all parts of the config."""
        searched = list(self._search())  # refused before the model is built
        parts = [
            head(self.stock, self.method),
            self._objectives(),
            self._optimizer(),
            *self._panoptic(),
            self._hooks(),
            *self._durable(),
            *searched,
        ]
        if self.method.controller is not None:
            parts.append(self._loop(self.method.controller))
        self._mention_the_rest()
        return Adapted(
            join(*parts), self.decided, self.left_open, self._command()
        )

    def _objectives(self) -> str:
        weighted: list[str] = []
        negative: list[str] = []
        try:
            losses = find_losses(self.stock.config, self.stock.scope)
        except ValueError as error:
            self.left_open.append(
                'which losses the model has, as it could not be looked at '
                f'here ({error}); the log of the training lists them'
            )
        else:
            weighted, negative = self._split(losses)
        self.grouping = without_others(self._choose(weighted), negative)
        self.decided.append(self.grouping.reason)
        patterns = self.grouping.patterns
        value = 'auto' if patterns is None else _raw(patterns)
        text = comment(self.grouping.reason)
        named = f'{text}\n{assignment("objectives", value)}'
        if type_of(self.stock.config.model) != LossWeightWrapper.__name__:
            return named
        own = 'objectives' if patterns is None else _REPLACED
        model = dict(objectives=Code(own))
        return f'{named}\n{assignment("model", model)}'

    def _split(self, losses: dict[str, float]) -> tuple[list[str], list[str]]:
        """Return the losses that the method can weigh, and the others."""
        negative = [
            name
            for name, value in losses.items()
            if value < 0 and not self.method.any_sign
        ]
        weighted = [name for name in losses if name not in negative]
        if len(weighted) < 2:
            kind = 'that are not negative ' if negative else ''
            found = f'{weighted[0]} alone' if weighted else 'none'
            if not losses:
                found = "none but 'loss', the name of the sum of all"
            raise ValueError(
                f'`model` should have several losses {kind}to be weighted '
                f'against each other. Found {found}.'
            )
        return weighted, negative

    def _choose(self, losses: list[str]) -> Grouping:
        """Return the objectives, those of the policy where there is one."""
        if self.args.policy is None:
            return group_losses(losses, self.method.proposals)
        policy = load_policy(self.args.policy)
        if policy.nothing_learned:
            self.left_open.append(
                'whether to train with this policy, whose search learned '
                f'nothing: {policy.nothing_learned}. The training has all '
                "weights 1, unless the hook has `fallback='policy'`"
            )
        wanted = policy.objectives
        groupings = [
            *(group_losses(losses, flag) for flag in (False, True)),
            each_loss(losses),
        ]
        for grouping in groupings:
            if wanted == grouping.names or not losses:
                return grouping
        offered = dict.fromkeys(', '.join(g.names) for g in groupings)
        raise ValueError(
            f'`--policy` should be of the objectives {" or ".join(offered)}, '
            'which are found in the model. Found '
            f'{", ".join(wanted or ("none",))}. If you named them by patterns '
            'of your own, write the hook by hand, with the same `objectives`.'
        )

    def _optimizer(self) -> str:
        """Return the head rule that fits the optimizer and the method."""
        ours = HeadRuleOptimWrapperConstructor.__name__
        wrapper: dict[str, Any] = dict(constructor=ours)
        base = self.stock.config.optim_wrapper.get('constructor')
        if base not in (None, ours):
            wrapper['base_constructor'] = dict(type=base)
            self.decided.append(f'{base} of the stock config is kept.')
        mode, why = head_rule(
            self.stock.optimizer, self.method.every_iteration
        )
        wrapper['head_rule'] = dict(mode=mode)
        self.decided.append(f"Head rule '{mode}'. {why}")
        return f'{comment(why)}\n{assignment("optim_wrapper", wrapper)}'

    def _panoptic(self) -> list[str]:
        parts = parts_without_panopticapi(self.stock.config)
        if parts:
            self.decided.append(PANOPTIC)
        return parts

    def _hooks(self) -> str:
        assert self.method.hook is not None
        hook = dict(self.method.hook)
        if self.args.policy is not None:
            hook |= dict(policy=str(self.args.policy), initial_losses='probe')
        if self.method.controller is None:  # else they are the search's
            hook['objectives'] = Code('objectives')
        hooks: list[Any] = [hook]
        stock = self.stock.config.get('custom_hooks') or []
        by_epoch = 'max_epochs' in self.stock.config.train_cfg
        seeded = EpochSeedHook.__name__ in map(type_of, stock)
        if self.method.controller and by_epoch and not seeded:
            hooks = [dict(type=EpochSeedHook.__name__), hook]
        if not stock:
            return assignment('custom_hooks', hooks)
        names = ', '.join(each['type'] for each in stock)
        self.decided.append(f'The hooks of the stock config stay: {names}.')
        text = comment(
            'A list replaces that of the base, so its hooks are named as well.'
        )
        kept = Code('*_base_.custom_hooks')
        return f'{text}\n{assignment("custom_hooks", [kept, *hooks])}'

    def _durable(self) -> list[str]:
        """Return what a killed training goes on from to the same result."""
        hooks = self.stock.config.get('default_hooks') or {}
        stock = hooks.get('checkpoint') or {}
        of_mmengine = type_of(stock) == 'CheckpointHook'
        if not self.method.controller or not of_mmengine:
            return []
        text = comment('Whole checkpoints, whenever the training is killed.')
        durable = dict(checkpoint=dict(type='DurableCheckpointHook'))
        return [f'{text}\n{assignment("default_hooks", durable)}']

    def _search(self) -> Iterator[str]:
        if self.method.controller is None:
            return
        config = self.stock.config
        self.reward = find_reward(config, self.args.reward or ())
        data = search.find_data(config)
        self.gpus = search.num_gpus(self.args.config, config, self.args.gpus)
        split = f'mmada split {self.out}'
        values = search.data_values(self.stock, data, self.reward, self.gpus)
        lines = [assignment(name, value) for name, value in values.items()]
        text = comment(
            'Training images are held out to reward the search: weights that '
            'were chosen by test images would make the final figures too '
            'good. The list of them:'
        )
        yield '\n'.join([text, f'#   {split}', *lines])
        self.decided += [
            *search.of_joined(data),
            f'Reward: {" and ".join(self.reward.keys)}.',
            f'GPUs that train one replica at a time: {self.gpus}; `--gpus` '
            'changes that.',
        ]
        self.left_open.append(f'the images of the reward, first: {split}')
        if not self.reward.known:
            self.left_open.append(
                'whether `val_evaluator` computes '
                f'{" and ".join(self.reward.keys)}, and whether more is '
                f'better there: mmada check-reward {self.out} CHECKPOINT '
                'lists what it computes'
            )

    def _loop(self, controller: Callable[[Setting], dict[str, Any]]) -> str:
        rounds = search.rounds_of(self.stock.config)
        options = controller(
            Setting(
                len(self.grouping.names),
                rounds['num_rounds'],
                self.stock.scope in search.BALANCED,
            )
        )
        number = options['num_replicas']
        self.decided.append(
            f'{number} replicas, so the search costs {number} trainings and '
            'the evaluations of their rounds; the training with the result '
            'comes on top. On your GPUs: '
            f'mmada plan {self.out} --gpus N'
        )
        loop = search.loop(rounds, options, self.reward, self.gpus)
        return assignment('train_cfg', loop)

    def _command(self) -> str:
        if self.method.controller is None or self.gpus == 1:
            return 'mmada train'
        return (
            f'torchrun --nproc-per-node {self.gpus} -m mmada train --launcher '
            'pytorch'
        )

    def _mention_the_rest(self) -> None:
        """Note what the user has to know beside the parts."""
        for hook in self.stock.config.get('custom_hooks') or []:
            if type_of(hook) in LATE:
                self.left_open.append(
                    f'{LATE[type_of(hook)]} begins late and keeps weight 1; '
                    'an objective with `late=True` would weigh it'
                )
        if self.method.controller is not None:
            self.left_open += map(_undeclared, undeclared_hooks(self.stock))
        self.left_open += path_of_base(self.stock, self.args.config)
        measured = self.method.measured_with
        if measured and self.stock.optimizer != measured:
            mode, _ = head_rule(measured, self.method.every_iteration)
            self.left_open.append(
                f'{self.stock.optimizer} of the stock config stays; the '
                f'benchmark measured the method with {measured}, in '
                '`optim_wrapper`: `optimizer=dict(_delete_=True, '
                f"type='{measured}', lr=0.0001, weight_decay=0.05), "
                f"head_rule=dict(mode='{mode}')`"
            )
        if self.method.needs:
            self.decided.append(f'The method takes {self.method.needs}.')


def _undeclared(hook: str) -> str:
    kinds = ', '.join(repr(kind.value) for kind in InReplicas)
    return (
        f'what {hook} does in the replicas of a search: until its class '
        f'declares `in_replicas`, one of {kinds}, the search refuses the '
        'config'
    )


def _raw(patterns: dict[str, Any]) -> dict[str, Any]:
    """Return regular expressions as raw strings."""
    return {
        name: [_raw_string(p) for p in pattern]
        if isinstance(pattern, list)
        else _raw_string(pattern)
        for name, pattern in patterns.items()
    }


def _raw_string(pattern: str) -> Code:
    return Code(f"r'{pattern}'" if '\\' in pattern else repr(pattern))
