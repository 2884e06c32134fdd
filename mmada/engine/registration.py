"""Controllers and weightings, as a config names them."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from mmengine.logging import print_log
from mmengine.registry import TASK_UTILS

from mmada import controllers, weightings
from mmada.utils.seeding import derive_seed

# The mathematics knows nothing of a registry, so it is registered from here.
for _class in (
    controllers.AdaSegment,
    controllers.AmLfs,
    controllers.AutoSegLossSearch,
    controllers.BohbSearch,
    controllers.GridSearch,
    controllers.PopulationTraining,
    controllers.RandomSearch,
    controllers.RandomWeights,
    controllers.SlopeSearch,
    weightings.StaticWeighting,
    weightings.InverseLossWeighting,
    weightings.GradNorm,
    weightings.AggregatorWeighting,
    weightings.DynamicWeightAverage,
    weightings.Famo,
    weightings.RandomLossWeighting,
    weightings.ScheduledWeighting,
    weightings.UncertaintyWeighting,
):
    TASK_UTILS.register_module(module=_class)

T = TypeVar('T')


def registered_class(
    option: str,
    config: Any,
    base: type[T],
    others: Mapping[type[Any], str] | None = None,
) -> type[T]:
    """Return the class that a config names.

    Args:
        option: Name of the config's entry, for the message.
        config: Its `type` is the name of a class, or one.
        base: What the class has to be.
        others: What else it may be by mistake, and what that belongs to, for
            the message.

    Raises:
        ValueError: If it is no config, or there is no such class, listing
            those that there are.
    """
    if not isinstance(config, dict):
        raise ValueError(
            f"`{option}` should be a config, such as dict(type='...'). Found "
            f'{config!r}.'
        )
    kind = config.get('type')
    found = TASK_UTILS.get(kind) if isinstance(kind, str) else kind
    if not inspect.isclass(found) or not issubclass(found, base):
        known = sorted(
            name
            for name, each in TASK_UTILS.module_dict.items()
            if inspect.isclass(each) and issubclass(each, base)
        )
        near = difflib.get_close_matches(str(kind), known, n=1)
        hint = f' Did you mean {near[0]!r}?' if near else ''
        for other, owner in (others or {}).items():
            if inspect.isclass(found) and issubclass(found, other):
                hint = f' It belongs to {owner}.'
        raise ValueError(
            f'`{option}.type` should be a registered {base.__name__}, such as '
            f'{", ".join(known)}. Found {kind!r}.{hint} A class of your own '
            'is registered by its module in `custom_imports`.'
        )
    return found


def check_options(
    option: str,
    config: dict[str, Any],
    function: Any,
    given: Collection[str] = (),
    more: Collection[str] = (),
) -> None:
    """Check that what a config names takes the config's options.

    Args:
        option: Name of the config's entry, for the message.
        config: The options, and `type`.
        function: What they are arguments of; all fit one that takes any,
            unless `more` says which.
        given: Arguments that it gets from elsewhere.
        more: Options that it takes by other names than its own.

    Raises:
        ValueError: If an option is unknown or missing.
    """
    parameters = inspect.signature(function).parameters.values()
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
    named = {
        p.name: p.default
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    known = {*named, *more}
    if any_name and inspect.isclass(function):
        # What a class takes by `**` it hands to those that it extends.
        for base in function.__mro__[1:-1]:
            known |= set(inspect.signature(base).parameters)
        known -= {'self', 'args', 'kwargs', 'options', 'identity'}
    unknown = config.keys() - known - {'type'}
    required = {n for n, default in named.items() if default is inspect._empty}
    missing = required - config.keys() - set(given)
    if missing or (unknown and (more or not any_name)):
        found = ', '.join(map(repr, sorted(unknown)))
        lacks = ', '.join(map(repr, sorted(missing)))
        raise ValueError(
            f'`{option}` should have options of {function.__name__}: '
            f'{", ".join(sorted(known - set(given)))}. Found '
            + (f'{found} besides' if unknown else '')
            + (' and ' if unknown and missing else '')
            + (f'no {lacks}' if missing else '')
            + '.'
        )


@contextlib.contextmanager
def warnings_in_log() -> Iterator[None]:
    """Log what a controller or a weighting warns of.

    The mathematics has no logger of MMEngine's, and a plain warning would
    show a line of the registry in place of its reason.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always', UserWarning)
        yield
    for each in caught:
        print_log(str(each.message), 'current', logging.WARNING)


@TASK_UTILS.register_module()
class ShuffledRewards(controllers.ShuffledRewards):
    """Builds the inner controller from its config.

    The inner one gets what a search hands to its controller, as if it were
    not wrapped: its proposals are those of the search without this control
    until it has learned something else.

    Args:
        controller: Config of the inner controller.
        seed: Seed of the search; that of the permutations is derived.
        **arguments: What every controller of weights gets from its search.

    Raises:
        ValueError: If ``controller`` is no config, or what it builds does
            not fit.
    """

    def __init__(
        self, controller: dict[str, Any], seed: int = 0, **arguments: Any
    ) -> None:
        if not isinstance(controller, dict) or 'type' not in controller:
            raise ValueError(
                '`controller` of ShuffledRewards should be the config of a '
                f'controller. Found {controller!r}.'
            )
        inner = TASK_UTILS.build(
            controller, default_args=dict(arguments, seed=seed)
        )
        super().__init__(inner, derive_seed(seed, 'shuffled rewards'))
