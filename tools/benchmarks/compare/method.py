"""What a method of the comparison is, and the configs that it makes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config, ConfigDict
from problems import Problem

from mmada.models import build_objectives
from mmada.visualization import read_epochs

Options = dict[str, Any]
# The paper's, and which half of a detector an objective belongs to.
GRID_VALUES = ((0.5, 0.75, 1.0, 1.5), (0.1, 0.25, 0.5, 0.75, 1.0))
SEGMENTATION, PROPOSALS = 'seg', 'rpn'
HEAD_RULE_OFF = {'optim_wrapper.head_rule.mode': 'off'}


class Search(NamedTuple):
    """An exploration; several rows may use what it found.

    Attributes:
        controller: Config of the controller, without `num_replicas`.
        trainings: How many whole trainings it runs, m a round; 0 for a
            search in rounds of an epoch, m replicas each.
        length: Epochs that it runs, in units of E.
        replicas: How many, where it is not the problem's number m.
        told: Option of the controller that is E, '' for none.
        grid: Whether it tries `GRID_VALUES` for detection and segmentation.
        grouped: Whether it learns one factor for each kind of losses.
        rpn: Whether the losses of the region proposals are weighted, too.
        options: Changes of the config, by dotted name.
        kinds: Whether all losses of a kind are one objective.
        epochs_per_round: Of a search that is not in whole trainings.
        recorded: Name of the search whose recorded rounds it is: it trains
            nothing, and has all else of that one but the reward and the
            step.
        reward: Name of the reward that it judges them by, see `replays.py`.
        step: Share of the recorded search's step that its policy takes.
        scored_on: Prefix, in the config, of the data that score its replicas.
    """

    controller: Options
    trainings: int = 0
    length: float = 1
    replicas: int = 0
    told: str = ''
    grid: bool = False
    grouped: bool = False
    rpn: bool = False
    options: Options = {}
    kinds: bool = False
    epochs_per_round: int = 1
    recorded: str = ''
    reward: str = ''
    step: float = 1.0
    scored_on: str = 'reward'


class Method(NamedTuple):
    """A row of the tables.

    Attributes:
        name: Its name.
        group: What it is compared as.
        hook: What weights its training; None for nothing.
        search: Name of the search whose policy the hook uses.
        source: Name of the problem that the search ran on, another one; '' for
            the problem at hand. A search elsewhere is not counted as cost of
            the row, which pays its own training and probe alone: whoever
            transfers a policy has it already, as in Table 3 of the paper.
        source_seed: Seed of that search, where it is not the training's.
        explored: Whether the row is the search's own model: no training.
        after: Name of the method whose weights `edit` reads.
        edit: Changes the config, given the weights of `after` by epoch, or
            none.
        rpn: Whether it weighs the losses of the region proposals, too.
        options: Changes of the config, by dotted name.
        kinds: Whether all losses of a kind are one objective.
    """

    name: str
    group: str
    hook: Options | None = None
    search: str = ''
    explored: bool = False
    after: str = ''
    edit: Callable[[Config, list[list[float]]], None] | None = None
    options: Options = {}
    source: str = ''
    source_seed: int | None = None
    rpn: bool = False
    kinds: bool = False


def draw_of_seed(cfg: Config, weights: list[list[float]]) -> None:
    """Let the last hook's weighting draw by the seed of the training."""
    cfg.custom_hooks[-1].weighting.seed = cfg.randomness.seed


def mean_one(cfg: Config, weights: list[list[float]]) -> None:
    """Give the weights of the last hook's weighting a mean of 1."""
    objectives = build_objectives(cfg.model.objectives)
    assert objectives is not None
    cfg.custom_hooks[-1].weighting.total = float(len(objectives))


def apply_search(search: Search, problem: Problem, cfg: Config) -> None:
    """Turn the config of `ones` into that of a search.

    Args:
        search: The search.
        problem: The problem.
        cfg: Changed in place.
    """
    batch = cfg.train_dataloader.batch_size
    epoch = -(-problem.images.num['train'] // batch)
    rounds = -(-search.trainings // (search.replicas or problem.replicas))
    cfg.merge_from_dict(search.options)
    choose_objectives(cfg, search.rpn, search.kinds)
    cfg.train_cfg = dict(
        type='ParallelExplorationLoop',
        num_rounds=rounds
        or round(search.length * problem.epochs / search.epochs_per_round),
        iters_per_round=epoch
        * (problem.epochs if rounds else search.epochs_per_round),
        controller=controller_config(search, problem),
        reward_dataloader=cfg[f'{search.scored_on}_dataloader'],
        reward_evaluator=cfg[f'{search.scored_on}_evaluator'],
        reward_metric=problem.scoring.reward,
    )
    cfg.resume = True


def choose_objectives(cfg: Config, rpn: bool, kinds: bool) -> None:
    """Say what a config weighs, see :class:`Method`."""
    if kinds:  # a detector with single heads has them anyway
        cfg.model.objectives = cfg.model.objectives.replace(
            'cascade_panoptic', 'cascade_kinds'
        )
    cfg.model.objectives += '_rpn' * rpn


def controller_config(search: Search, problem: Problem) -> Options:
    """Return the config of a search's controller on a problem."""
    config = copy.deepcopy(search.controller)
    if search.grid:
        objectives = build_objectives(problem.objectives)
        assert objectives is not None
        groups: list[list[int]] = [[], []]  # detection, segmentation
        for i, name in enumerate(objectives.names):
            groups[name == SEGMENTATION].append(i)
        config.update(groups=groups, values=GRID_VALUES)
    if search.grouped:
        config.get('controller', config)['groups'] = problem.groups(search.rpn)
    if search.told:
        config[search.told] = problem.epochs
    # A control has the controller, and so the replicas, inside of it.
    replicas = search.replicas or problem.replicas
    config.get('controller', config)['num_replicas'] = replicas
    return config


def apply_method(
    method: Method, cfg: Config, policy: Path | None, weights_file: Path | None
) -> None:
    """Turn the config of `ones` into that of a method's training.

    Args:
        method: The method.
        cfg: Changed in place.
        policy: What its search found, if it has one.
        weights_file: Weights of the method that it comes after, if any.
    """
    cfg.merge_from_dict(method.options)
    choose_objectives(cfg, method.rpn, method.kinds)
    if method.hook:
        hook = ConfigDict(copy.deepcopy(method.hook))
        if policy is not None:
            hook.policy = str(policy)
        cfg.custom_hooks.append(hook)
    if method.edit:
        epochs = read_epochs(weights_file) if weights_file else None
        method.edit(cfg, epochs.weights.tolist() if epochs else [])
