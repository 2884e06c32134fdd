"""What Optuna does for a search: samples points, and shows what was tried.

The one file of the mathematics that needs more than torch: Optuna, and that
only when it is used. Optuna keeps nothing here. Each point is asked of a
study that is built anew from the candidates, with a seed of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from mmada.controllers.bohb.hyperband import Candidate


def require_optuna() -> Any:
    """Return the module.

    Raises:
        ImportError: If it is not installed, saying how to install it.
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            'This search needs Optuna 5: pip install "mmada[search]", or '
            'pip install -r requirements/search.txt.'
        ) from error
    return optuna


def suggest(
    candidates: Sequence[Candidate],
    age: int | None,
    size: int,
    spread: float,
    seed: int,
) -> list[float]:
    """Return a point of TPE, or a random one.

    Args:
        candidates: All of the search.
        age: The age whose metrics the model is of; None for a random point.
        size: Numbers n of a point.
        spread: They are in [1 / spread, spread].
        seed: Of this point alone.
    """
    optuna = require_optuna()
    sampler = optuna.samplers.RandomSampler(seed=seed)
    observed = []
    if age is not None:
        sampler = optuna.samplers.TPESampler(
            multivariate=True,
            n_startup_trials=1,
            constant_liar=True,
            seed=seed,
        )
        observed = [_observation(optuna, c, age, spread) for c in candidates]
    with _quiet(optuna):
        study = optuna.create_study(direction='maximize', sampler=sampler)
        study.add_trials(observed)
        trial = study.ask(_space(optuna, size, spread))
    return [trial.params[name] for name in _names(size)]


def mirror(
    url: str,
    name: str,
    identity: dict[str, Any],
    candidates: Sequence[Candidate],
    whole: int,
    spread: float,
) -> None:
    """Add finished candidates to a stored study that lacks them.

    Args:
        url: Of an Optuna storage.
        name: Of the study.
        identity: How the search was built.
        candidates: The finished ones.
        whole: Rounds of a whole training.
        spread: See :func:`suggest`.

    Raises:
        ValueError: If the study is of another search, or cannot be opened.
    """
    optuna = require_optuna()
    try:
        with _quiet(optuna):
            study = optuna.create_study(
                storage=url,
                study_name=name,
                direction='maximize',
                load_if_exists=True,
            )
    except Exception as error:  # of whichever database it is
        raise ValueError(
            '`storage` should be the URL of a database that Optuna can open. '
            f'Found {url!r}: {error}'
        ) from error
    kept = study.user_attrs.get('search', identity)
    if kept != identity:
        raise ValueError(
            f'`study` should be one of this search in {url}, {identity}. '
            f'Found {name!r} of another search, {kept}.'
        )
    study.set_user_attr('search', identity)
    known = {t.user_attrs['candidate'] for t in study.get_trials()}
    for candidate in candidates:
        if candidate.number not in known:
            study.add_trial(_finished(optuna, candidate, whole, spread))


def _names(size: int) -> list[str]:
    return [f'weight_{i}' for i in range(size)]


def _space(optuna: Any, size: int, spread: float) -> dict[str, Any]:
    return {
        name: optuna.distributions.FloatDistribution(
            1 / spread, spread, log=True
        )
        for name in _names(size)
    }


def _trial(
    optuna: Any, candidate: Candidate, spread: float, state: str, **more: Any
) -> Any:
    size = len(candidate.point)
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState[state],
        params=dict(zip(_names(size), candidate.point, strict=True)),
        distributions=_space(optuna, size, spread),
        user_attrs=dict(candidate=candidate.number, bracket=candidate.bracket),
        **more,
    )


def _observation(
    optuna: Any, candidate: Candidate, age: int, spread: float
) -> Any:
    """Return what a candidate says about an age.

    One that diverged before counts as worse than all others, which is what
    Optuna makes of a pruned trial without a value. One that is not there
    yet, or was stopped before, keeps others away from its place.
    """
    values = candidate.values[:age]
    if values and values[-1] is None:
        return _trial(optuna, candidate, spread, 'PRUNED')
    if len(values) < age:
        return _trial(optuna, candidate, spread, 'RUNNING')
    return _trial(optuna, candidate, spread, 'COMPLETE', value=values[-1])


def _finished(
    optuna: Any, candidate: Candidate, whole: int, spread: float
) -> Any:
    steps = {i: v for i, v in enumerate(candidate.values, 1) if v is not None}
    kind, value = 'PRUNED', None
    if candidate.diverged:
        kind = 'FAIL'
    elif candidate.age == whole:
        kind, value = 'COMPLETE', candidate.values[-1]
    return _trial(
        optuna,
        candidate,
        spread,
        kind,
        value=value,
        intermediate_values=steps,
    )


@contextlib.contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Keep Optuna from announcing each study."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
