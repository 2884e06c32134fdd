"""What was asked for: problems, methods, and which of them go together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from jobs import is_applicable
from method import Method
from methods import METHODS, SEARCHES, TRANSFERRED
from mmengine.registry import HOOKS, TASK_UTILS
from problems import TRANSFERS, Problem

T = TypeVar('T')
Pair = tuple[Problem, Method]


def tool_parser(
    description: str | None, *words: str
) -> argparse.ArgumentParser:
    """Return a parser of what all tools take: where the results are.

    Args:
        description: Of the tool.
        words: Further positional arguments.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('work_dir', type=Path)
    for word in words:
        parser.add_argument(word)
    return parser


def select(
    kind: str, names: Sequence[str], known: dict[str, T]
) -> dict[str, T]:
    """Return the entries that were asked for.

    Raises:
        ValueError: If there is no entry of a name, or it was named twice.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f'`--{kind}` should be some of {", ".join(map(repr, known))}. '
            f'Found {", ".join(map(repr, unknown))}.'
        )
    check_distinct(kind, names)
    return {name: known[name] for name in names}


def select_methods(names: Sequence[str]) -> list[Method]:
    """Return the methods.

    Raises:
        ValueError: If one is not known, or has no implementation.
    """
    methods = list(select('methods', names, METHODS).values())
    for method in methods:
        missing = ', '.join(missing_types(method))
        if missing:
            raise ValueError(
                '`--methods` should be methods whose types are registered. '
                f'Found {method.name!r}, which needs {missing}.'
            )
    return methods


def select_pairs(
    problems: Sequence[Problem], methods: Sequence[Method], named: bool
) -> list[Pair]:
    """Return which method runs on which problem, method by method.

    Args:
        problems: The problems.
        methods: In the order of their importance.
        named: Whether they were asked for by name; else problems that
            policies are transferred to have the few rows that say something
            about that.

    Raises:
        ValueError: If a method that was named fits none of the problems.
    """
    pairs = []
    for method in methods:
        fit = [p for p in problems if is_applicable(p, method)]
        if named and not fit:
            names = ', '.join(repr(problem.name) for problem in problems)
            raise ValueError(
                '`--methods` should be methods that fit a problem. Found '
                f'{method.name!r}, which fits none of {names}. It needs '
                f'another problem than {method.source!r} that has the same '
                'objectives.'
            )
        pairs += [
            (problem, method)
            for problem in fit
            if named
            or problem.name not in TRANSFERS
            or method.name in TRANSFERRED
        ]
    return pairs


def missing_types(method: Method) -> list[str]:
    """Return the types that a method needs and that nobody registered."""
    wanted = []
    if method.hook:
        wanted.append((HOOKS, method.hook['type']))
        weighting = method.hook.get('weighting')
        if weighting:
            wanted.append((TASK_UTILS, weighting['type']))
    if method.search:
        controller = SEARCHES[method.search].controller
        wanted.append((TASK_UTILS, controller['type']))
    missing = [name for registry, name in wanted if not registry.get(name)]
    if method.after:
        missing += missing_types(METHODS[method.after])
    return missing


def check_metric(problems: Sequence[Problem]) -> None:
    """Refuse problems whose scores cannot be in one table.

    Raises:
        ValueError: If they are scored by different metrics.
    """
    found = {problem.name: problem.scored_by for problem in problems}
    if len(set(found.values())) > 1:
        raise ValueError(
            '`--problems` should be problems that are scored by the same '
            f'metric. Found {found}.'
        )


def check_distinct(kind: str, values: Sequence[object]) -> None:
    """Raise an error if a value was given twice.

    Raises:
        ValueError: Naming the option.
    """
    if len(set(values)) < len(values):
        raise ValueError(
            f'`--{kind}` should be different values. Found {list(values)}.'
        )
