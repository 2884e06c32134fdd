"""From records of jobs to the rows of the tables.

Also methods over all problems together.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from intervals import (
    Floats,
    Interval,
    bootstrap_interval,
    bootstrap_means,
    percentile_interval,
    pooled_t_interval,
    t_interval,
)
from jobs import Job, jobs_of, result_job, unit_job
from method import Method
from problems import Problem
from results import Record, job_folder
from scoring import Scoring

from mmada.utils.costs import Counts, Unit, cost, total

REFERENCES = ('ones', 'Baseline-G', 'inverse-loss', 'inverse-loss of kinds')
POOLED_REFERENCES = (
    'ones',
    'inverse-loss',
    'inverse-loss of kinds',
    'uncertainty',
)


class Result(NamedTuple):
    """What a method reached with one seed.

    Attributes:
        metrics: On the test images.
        score: The metric that methods are compared by.
        cost: In units of one training, of all that the method needed.
        seconds: Processor time of the same.
        resampled: The score on each draw of test images.
    """

    metrics: dict[str, float]
    score: float
    cost: float
    seconds: float
    resampled: Floats


class Difference(NamedTuple):
    """A method against a reference, over the seeds that both have."""

    mean: float
    bootstrap: Interval
    student: Interval
    seeds: int


class Row(NamedTuple):
    """A method on a problem.

    Attributes:
        method: The method.
        results: By seed.
        differences: In the score, by name of the reference.
        seconds: Processor time in units of that of `ones`, over the seeds
            that both have; None without one.
        scoring: How models of the problem are scored.
    """

    method: Method
    results: dict[int, Result]
    differences: dict[str, Difference]
    seconds: float | None
    scoring: Scoring

    def values(self, metric: str) -> list[float]:
        """Return a metric of all seeds."""
        return [r.metrics[metric] for r in self.results.values()]

    @property
    def scores(self) -> list[float]:
        """The metric that methods are compared by, of all seeds."""
        return [r.score for r in self.results.values()]

    @property
    def cost(self) -> float:
        """The mean over seeds; a search need not cost the same in each."""
        return statistics.fmean(r.cost for r in self.results.values())


def make_rows(
    problem: Problem,
    methods: Sequence[Method],
    seeds: Sequence[int],
    records: Mapping[str, Record],
    work_dir: Path,
) -> list[Row]:
    """Return the rows of a problem's table, in the methods' order.

    Args:
        problem: The problem.
        methods: The methods; those without a result are left out.
        seeds: Which seeds count.
        records: All records by key.
        work_dir: Directory of the benchmark.
    """
    named = {
        method.name: results
        for method in methods
        if (results := _results(problem, method, seeds, records, work_dir))
    }
    return [
        Row(
            method,
            named[method.name],
            _differences(method.name, named),
            _ratio(named[method.name], named.get('ones', {})),
            problem.scoring,
        )
        for method in methods
        if method.name in named
    ]


def _results(
    problem: Problem,
    method: Method,
    seeds: Sequence[int],
    records: Mapping[str, Record],
    work_dir: Path,
) -> dict[int, Result]:
    results = {}
    scoring = problem.scoring
    main, *_ = scoring.columns.values()
    unit = unit_job(problem)
    for seed in seeds:
        jobs = jobs_of(problem, method, seed)
        if not all(_succeeded(records, job) for job in (unit, *jobs)):
            continue
        counts = total(
            [
                Counts(**records[job.key]['counts'])
                for job in jobs
                # The others are not its cost.
                if (job.problem, job.seed) == (problem, seed)
            ]
        )
        key = result_job(problem, method, seed).key
        metrics = records[key]['metrics']
        results[seed] = Result(
            metrics,
            metrics[main],
            cost(counts, Unit(**records[unit.key]['unit'])),
            counts.seconds,
            scoring.resampled(job_folder(work_dir, key) / scoring.kept_as),
        )
    return results


def _succeeded(records: Mapping[str, Record], job: Job) -> bool:
    return job.key in records and not records[job.key]['error']


def _differences(
    name: str, results: Mapping[str, Mapping[int, Result]]
) -> dict[str, Difference]:
    return {
        reference: _difference(results[name], results[reference])
        for reference in REFERENCES
        if reference != name
        and results[name].keys() & results.get(reference, {}).keys()
    }


def _difference(
    results: Mapping[int, Result], reference: Mapping[int, Result]
) -> Difference:
    whole = gains(results, reference)
    return Difference(
        statistics.fmean(whole),
        bootstrap_interval(resampled_gains(results, reference)),
        t_interval(whole),
        len(whole),
    )


def gains(
    results: Mapping[int, Result], reference: Mapping[int, Result]
) -> list[float]:
    """Return differences in the score, one a seed that both have."""
    return [
        results[seed].score - reference[seed].score
        for seed in sorted(results.keys() & reference.keys())
    ]


def resampled_gains(
    results: Mapping[int, Result], reference: Mapping[int, Result]
) -> Floats:
    """Return the same on each draw of images, shape (draws, seeds)."""
    seeds = sorted(results.keys() & reference.keys())
    return np.stack(
        [results[s].resampled - reference[s].resampled for s in seeds], axis=1
    )


def _ratio(
    results: Mapping[int, Result], ones: Mapping[int, Result]
) -> float | None:
    seeds = results.keys() & ones.keys()
    if not seeds:
        return None
    return sum(results[s].seconds for s in seeds) / sum(
        ones[s].seconds for s in seeds
    )


class Pooled(NamedTuple):
    """A method against a reference on all problems that both have.

    Attributes:
        difference: The mean over problems of the means over seeds.
        won: Pairs of problem and seed in which the method is above.
        problems: How many.
    """

    difference: Difference
    won: int
    problems: int


def pool(
    rows: Mapping[str, Sequence[Row]], name: str, reference: str
) -> Pooled | None:
    """Compare two methods over problems; None if no pair has both.

    Seeds of different problems count as independent, also where one policy
    of a seed serves several of them; draws of images are the same for all.

    Args:
        rows: By name of the problem.
        name: Of the method.
        reference: Name of the other one.
    """
    pairs = [
        (found[name], found[reference])
        for found in (
            {row.method.name: row.results for row in some}
            for some in rows.values()
        )
        if name in found
        and reference in found
        and found[name].keys() & found[reference].keys()
    ]
    if not pairs or name == reference:
        return None
    groups = [gains(*pair) for pair in pairs]
    means = np.mean(
        [
            bootstrap_means(resampled_gains(*pair), seed)
            for seed, pair in enumerate(pairs)
        ],
        axis=0,
    )
    pooled = [gain for group in groups for gain in group]
    return Pooled(
        Difference(
            statistics.fmean(map(statistics.fmean, groups)),
            percentile_interval(means),
            pooled_t_interval(groups),
            len(pooled),
        ),
        sum(gain > 0 for gain in pooled),
        len(pairs),
    )
