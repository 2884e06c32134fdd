"""What a search, and the training after it, cost on so many GPUs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mmada.controllers import Start
from mmada.diagnostics.plan.replay import Played, Round, play
from mmada.engine.distributed import Share, partition
from mmada.engine.exploration.start_states import START_STATES
from mmada.utils.costs import Counts, Unit, cost, total

EVALUATED = 1 / 3
"""Time of an evaluated image, in that of a trained one, unless known."""
KEPT_STATES = 2
"""States on the disk, while the next one is written beside them."""


class Rates(NamedTuple):
    """Seconds that one GPU takes for an image.

    Attributes:
        trained: In a training iteration.
        evaluated: In an evaluation.
    """

    trained: float
    evaluated: float


class Sizes(NamedTuple):
    """Bytes.

    Attributes:
        new: Of a model's snapshot before any step.
        trained: Of one after a step, with the optimizer's state.
        gradients: Of all gradients.
    """

    new: int
    trained: int
    gradients: int


@dataclass(frozen=True)
class Search:
    """What a search runs, whatever runs it.

    Attributes:
        name: Of its directory.
        controller: Name of its class.
        start: Which states it keeps.
        num_replicas: m.
        ranks_per_replica: As configured.
        num_iters: Iterations q of a round.
        batch_size: Images of a replica's iteration.
        reward_images: Images of an evaluation.
        checked_images: Images of the check of the reward.
        looks: Forward passes of the look at the model.
        scores_start: Whether the initial model is evaluated.
        schedule: Iterations of the schedule of a replica.
        keeps_initial: Whether a training follows, for which the initial
            model is kept on the disk.
        sizes: Of snapshots.
        draws: The rounds, of several replays.
        share: Checks that so many ranks can train a replica together.
    """

    name: str
    controller: str
    start: Start
    num_replicas: int
    ranks_per_replica: int | None
    num_iters: int
    batch_size: int
    reward_images: int
    checked_images: int
    looks: int
    scores_start: bool
    schedule: int
    keeps_initial: bool
    sizes: Sizes
    draws: Sequence[Sequence[Round]]
    share: Callable[[Share], object]

    @property
    def rounds(self) -> float:
        """Rounds, the mean over the replays."""
        return statistics.fmean(map(len, self.draws))

    @property
    def segments(self) -> float:
        """Replicas of all rounds that train, the mean over the replays."""
        return statistics.fmean(
            sum(len(played.scores) for played in rounds)
            for rounds in self.draws
        )

    def parts(self) -> dict[str, Counts]:
        """Count what is run, by part."""
        q, images, n = self.num_iters, self.reward_images, self.segments
        found = {
            'look at the model': Counts(self.looks),
            'check of the reward': Counts(0, self.checked_images),
            'pseudo epoch': Counts(q, images),
            'initial model': Counts(0, images * self.scores_start),
            'rounds': Counts(round(n * q), round(n * images)),
        }
        return {k: v for k, v in found.items() if any(v)}

    def groups(self, gpus: int) -> list[list[int]]:
        """Return which ranks train a replica together.

        Raises:
            ValueError: If so many cannot.
        """
        groups = partition(gpus, self.num_replicas, self.ranks_per_replica)
        self.share(Share(0, len(groups[0])))
        return groups

    def on(self, groups: int) -> list[Played]:
        """Play all replays with so many groups of ranks."""
        new, trained, _ = self.sizes
        return [
            play(rounds, self.start, groups, new, trained)
            for rounds in self.draws
        ]


@dataclass(frozen=True)
class Training:
    """The training after a search.

    Attributes:
        by_epoch: Whether its length is in epochs, which more GPUs shorten.
        length: Epochs or iterations.
        epoch_length: Iterations of an epoch on one GPU.
        batch_size: Images of an iteration of one GPU.
        validations: How often it validates.
        validation_images: Images of each.
        looks: Forward passes of hooks that look at the model.
        checkpoints: How many it leaves.
    """

    by_epoch: bool
    length: int
    epoch_length: int
    batch_size: int
    validations: int
    validation_images: int
    looks: int
    checkpoints: int

    def iterations(self, gpus: int) -> int:
        """Return its iterations, each on all GPUs."""
        if not self.by_epoch:
            return self.length
        return self.length * -(-self.epoch_length // gpus)

    def counts(self, gpus: int) -> Counts:
        """Count what each GPU iterates and all of them evaluate."""
        return Counts(
            self.iterations(gpus) + self.looks,
            self.validations * self.validation_images,
        )


@dataclass(frozen=True)
class Bill:
    """The costs on so many GPUs; what depends on chance is a mean.

    Attributes:
        gpus: How many, one rank each.
        problem: Why the run is not possible there; '' if it is.
        groups: Of each search, how many groups train side by side, and how
            many ranks each has.
        waves: Of all rounds, one after the other.
        iterations: Of all replicas, and of the training.
        images: That are evaluated.
        seconds: Wall time; None if the rates are not known.
        trainings: In trainings on one GPU with all weights 1.
        disk_peak: Bytes of states and checkpoints at most.
        disk_left: Bytes of them at the end.
        network: Bytes that a GPU receives in a round.
        memory: Bytes of snapshots in the main memory of each rank, at most.
    """

    gpus: int
    problem: str = ''
    groups: tuple[tuple[int, int], ...] = ()
    waves: float = 0
    iterations: int = 0
    images: int = 0
    seconds: float | None = None
    trainings: float = 0
    disk_peak: float = 0
    disk_left: float = 0
    network: float = 0
    memory: float = 0

    @property
    def gpu_hours(self) -> float | None:
        """Hours of all GPUs together."""
        if self.seconds is None:
            return None
        return self.seconds * self.gpus / 3600


def make_bill(
    searches: Sequence[Search],
    training: Training | None,
    gpus: int,
    rates: Rates | None,
) -> Bill:
    """Return the costs of a run on so many GPUs.

    Args:
        searches: In order.
        training: After them, if any.
        gpus: How many.
        rates: Of one GPU; None if they are not known.
    """
    try:
        groups = [search.groups(gpus) for search in searches]
    except ValueError as error:
        return Bill(gpus, problem=str(error))
    used = rates or Rates(1.0, EVALUATED)
    played = [s.on(len(g)) for s, g in zip(searches, groups, strict=True)]
    runs = list(zip(searches, groups, played, strict=True))
    counts = total(c for s in searches for c in s.parts().values())
    seconds = sum(
        _search_seconds(s, len(g[0]), _waves(p), used) for s, g, p in runs
    )
    if training is not None:
        counts = total([counts, training.counts(gpus)])
        seconds += _training_seconds(training, gpus, used)
    peak, left = _disk(searches, training, played)
    return Bill(
        gpus,
        groups=tuple((len(g), len(g[0])) for g in groups),
        waves=sum(map(_waves, played)),
        iterations=counts.iterations,
        images=counts.images,
        seconds=seconds if rates else None,
        trainings=_trainings(searches, training, used),
        disk_peak=peak,
        disk_left=left,
        network=max(
            _received(s, gpus, len(g[0]), p) / s.rounds for s, g, p in runs
        ),
        memory=max(statistics.fmean(p.memory for p in ps) for ps in played),
    )


def _waves(played: Sequence[Played]) -> float:
    return statistics.fmean(p.waves for p in played)


def _search_seconds(
    search: Search, ranks: int, waves: float, rates: Rates
) -> float:
    """Return the time of a search whose groups have so many ranks.

    One group plays the pseudo epoch, and all at once a wave.
    """
    images = search.num_iters * search.batch_size * rates.trained
    scored = search.reward_images * rates.evaluated
    alone = images + scored * (1 + search.scores_start)
    looked = search.looks * search.batch_size * rates.trained
    return (
        looked / (search.ranks_per_replica or 1)
        + search.checked_images * rates.evaluated
        + (alone + waves * (images + scored)) / ranks
    )


def _training_seconds(training: Training, gpus: int, rates: Rates) -> float:
    iterations = training.iterations(gpus) + training.looks
    validated = training.validations * training.validation_images
    return (
        iterations * training.batch_size * rates.trained
        + validated * rates.evaluated / gpus
    )


def _received(
    search: Search, gpus: int, ranks: int, played: Sequence[Played]
) -> float:
    """Return the bytes that a GPU receives in all rounds.

    Snapshots from other ranks, and the gradients of a ring's all-reduce
    where several ranks train a replica.
    """
    sent = statistics.fmean(p.sent for p in played) if gpus > 1 else 0.0
    ring = 2 * (ranks - 1) / ranks * search.sizes.gradients
    return sent + _waves(played) * search.num_iters * ring


def _disk(
    searches: Sequence[Search],
    training: Training | None,
    played: Sequence[Sequence[Played]],
) -> tuple[float, float]:
    """Return the bytes of states and checkpoints, at most and at the end."""
    peak = left = 0.0
    for search, plays in zip(searches, played, strict=True):
        left += search.sizes.new * search.keeps_initial
        highest, last = (
            statistics.fmean(sizes)
            for sizes in zip(*(_stored(p.commits) for p in plays), strict=True)
        )
        peak = max(peak, left + highest)
        left += last
    sizes = searches[-1].sizes
    left += sizes.new * any(START_STATES[s.start].explores for s in searches)
    if training is not None:
        left += training.checkpoints * sizes.trained
        peak = max(peak, left + sizes.trained * bool(training.checkpoints))
    return max(peak, left), left


def _stored(sizes: Sequence[int]) -> tuple[int, int]:
    """Return the bytes of the states that are there, at most and last."""
    during = [
        sum(sizes[max(0, i - KEPT_STATES) : i + 1]) for i in range(len(sizes))
    ]
    return max(during), sum(sizes[-KEPT_STATES:])


def _trainings(
    searches: Sequence[Search], training: Training | None, rates: Rates
) -> float:
    """Return the cost in trainings, as the benchmark counts it.

    One training is that after the search on one GPU or, without one, as long
    as a replica's schedule. Its validations are left out.
    """
    length, batch_size = searches[0].schedule, searches[0].batch_size
    if training is not None:
        length, batch_size = training.iterations(1), training.batch_size
    unit = Unit(length, batch_size * rates.trained, rates.evaluated)
    own = 0 if training is None else length + training.looks
    counts = [Counts(own)]
    for search in searches:
        found = total(search.parts().values())
        share = search.batch_size / batch_size
        counts.append(
            found._replace(iterations=round(found.iterations * share))
        )
    return cost(total(counts), unit)
