"""Explorations in processes that may die."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.support import processes, toy
from tests.test_engine.test_loops import (
    test_explore_then_train_loop as algorithm,
)
from tests.test_faults import faulty_loop  # noqa: F401  registers the loop

OUTPUT = 'output{}.txt'
ITERATIONS = 3  # of a segment
DURABLE = dict(
    checkpoint=dict(type='DurableCheckpointHook', interval=1, max_keep_ckpts=1)
)


def explore(work_dir, watched=False, **options):
    """Explores the toy problem, or what is left of it.

    Args:
        work_dir: Directory of the run.
        watched: Whether its use of resources is written down.
        **options: Of the loop.
    """
    toy.runner(
        work_dir,
        train_cfg=dict(toy.exploration(), type='FaultyLoop', **options),
        resume=True,
        log_level='WARNING',
        custom_hooks=[dict(type='UsageHook')] if watched else [],
        **processes.join(),
    ).train()


def explore_and_train(work_dir):
    """Runs the whole algorithm, or what is left of it."""
    algorithm.build(work_dir, resume=True, default_hooks=DURABLE).train()


def start(
    work_dir,
    function=explore,
    world_size=1,
    failpoint='',
    failing_rank=0,
    **options,
):
    """Starts `function(work_dir, **options)` once a rank.

    Args:
        work_dir: Directory of the run; the output goes there too.
        function: Of this module.
        world_size: Number of ranks.
        failpoint: Where to die.
        failing_rank: Which rank does.
        **options: Of the exploration.

    Returns:
        The processes, by rank.
    """
    Path(work_dir).mkdir(exist_ok=True)
    return processes.start(
        function,
        world_size,
        str(work_dir),
        only=(failing_rank, dict(MMADA_FAILPOINT=failpoint)),
        output=Path(work_dir) / OUTPUT,
        **options,
    )


def finish(children, timeout=120):
    """Waits for all; kills what is left when the time is over.

    Returns:
        Exit statuses by rank; negative: the signal that ended it.
    """
    return processes.finish(children, timeout)[0]


def output(work_dir, rank=0):
    """Returns what a rank printed in all of its runs."""
    return (Path(work_dir) / OUTPUT.format(rank)).read_text()


def run(work_dir, *args, timeout=120, **options):
    """Runs all ranks to their end, which has to be a good one."""
    codes = finish(start(work_dir, *args, **options), timeout)
    outputs = [output(work_dir, rank) for rank in range(len(codes))]
    assert codes == [0] * len(codes), '\n'.join(outputs)


def history(work_dir):
    """Returns the bytes of the record of all rounds."""
    return (Path(work_dir) / 'exploration/history.jsonl').read_bytes()


def weights(path):
    """Returns the state dict of a checkpoint."""
    return torch.load(path, weights_only=False)['state_dict']


def assert_same_run(first, second):
    """Asserts that two explorations found the same, to the bit."""
    assert history(first) == history(second)
    policies = [d / 'policy.safetensors' for d in (first, second)]
    assert policies[0].read_bytes() == policies[1].read_bytes()
    toy.assert_same_state(
        weights(first / 'explored.pth'), weights(second / 'explored.pth')
    )


def redone(work_dir):
    """Returns the segments that were trained more than once, at least in
    part: (round, replica) for each time too many."""
    lines = (Path(work_dir) / 'iterations.txt').read_text().splitlines()
    starts = [line.split()[:2] for line in lines if line.endswith(' 1')]
    return [s for i, s in enumerate(starts) if s in starts[:i]]
