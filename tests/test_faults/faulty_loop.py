"""An exploration that does harm to itself where a test tells it to."""

from __future__ import annotations

import errno
import gc
import json
import math
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, LOOPS

from mmada.engine.loops import ParallelExplorationLoop
from mmada.engine.state import store

PSEUDO = -1  # stands for the round of the pseudo epoch


@dataclass
class Fault:
    """One fault of one replica.

    Attributes:
        kind: A key of `HARM`.
        replica: Which one, from 0.
        round: Of which round, from 0, or `PSEUDO`.
        at: After which iteration, from 1, or 'evaluation': before it.
        times: How often, over all ranks and resumed runs.
        seconds: How long, for one that waits.
        path: Of a file for whose appearance it waits, at most 60 s; or
            from whose appearance on it waits no more.
    """

    kind: str
    replica: int = 1
    round: int = 0
    at: int | str = 2
    times: int = 1
    seconds: float = 0.0
    path: str = ''


def _fill(tensors, value=math.nan):
    with torch.no_grad():
        next(iter(tensors)).fill_(value)


def _raise(error):
    raise error


def wait_for(path):
    """Waits until a file is there."""
    deadline = time.monotonic() + 60
    while not Path(path).exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.05)


def _kill_worker():
    multiprocessing.active_children()[0].kill()
    time.sleep(0.5)


HARM = dict(
    parameter=lambda fault, module: _fill(module.parameters()),
    infinite=lambda fault, module: _fill(module.parameters(), math.inf),
    buffer=lambda fault, module: _fill(module.buffers()),
    memory=lambda fault, module: _raise(torch.OutOfMemoryError('no memory')),
    error=lambda fault, module: _raise(ZeroDivisionError('by a test')),
    wait=lambda fault, module: time.sleep(fault.seconds),
    slow=lambda fault, module: (
        Path(fault.path).exists() or time.sleep(fault.seconds)
    ),
    hold=lambda fault, module: wait_for(fault.path),
    kill=lambda fault, module: os.kill(os.getpid(), signal.SIGKILL),
    term=lambda fault, module: os.kill(os.getpid(), signal.SIGTERM),
    worker=lambda fault, module: _kill_worker(),
)

AT_COMMITS = dict(
    full=lambda: _raise(OSError(errno.ENOSPC, 'No space left on device')),
    term=lambda: os.kill(os.getpid(), signal.SIGTERM),
)


@LOOPS.register_module()
class FaultyLoop(ParallelExplorationLoop):
    """Writes down each iteration in `iterations.txt`, then does its harm.

    Args:
        faults: Arguments of `Fault`.
        corrupt: A parameter that changes on rank 1 when it receives it.
        commit_fault: A key of `AT_COMMITS` and a number: what happens on
            rank 0 when it writes that state.
    """

    def __init__(
        self, *args, faults=(), corrupt=None, commit_fault=None, **kwargs
    ):
        super().__init__(*args, **kwargs)
        self.faults = [Fault(**fault) for fault in faults]
        self._corrupt = corrupt
        self._commit_fault = commit_fault

    def _prepare(self, live, course, groups, channel, monitor):
        exploration = super()._prepare(live, course, groups, channel, monitor)
        self._watch_replicas(live.module)
        self._watch_evaluations(live.module)
        if self._corrupt and dist.get_rank() == 1:
            self._spoil_broadcasts(channel)
        if self._commit_fault and dist.get_rank() == 0:
            self._watch_commits(*self._commit_fault)
        return exploration

    def _watch_replicas(self, module):
        reporter, start = self.reporter, self.reporter.start
        self._playing = PSEUDO, 0

        def watched(on_iteration):
            def after(done):
                self._note(done)
                on_iteration(done)
                self._strike(done, module)

            return after

        def started(state, replica):
            self._playing = state.round, replica
            return watched(start(state, replica))

        reporter.start = started
        reporter.pseudo_iteration = watched(reporter.pseudo_iteration)

    def _watch_evaluations(self, module):
        score = self.evaluator.score

        def watched(*args):
            self._strike('evaluation', module)
            return score(*args)

        self.evaluator.score = watched

    def _note(self, done):
        self._append('iterations.txt', (*self._playing, done))

    def _append(self, name, items):
        with open(Path(self.runner.work_dir) / name, 'a') as file:
            file.write(' '.join(map(str, items)) + '\n')  # one write

    def _strikes(self, fault):
        """Returns how often a fault struck, on all ranks, in all runs."""
        path = Path(self.runner.work_dir) / 'faults.txt'
        lines = path.read_text().splitlines() if path.exists() else []
        return lines.count(str(fault))

    def _strike(self, at, module):
        for fault in self.faults:
            place = fault.round, fault.replica, fault.at
            if place != (*self._playing, at):
                continue
            if self._strikes(fault) < fault.times:
                self._append('faults.txt', [fault])
                HARM[fault.kind](fault, module)

    def _spoil_broadcasts(self, channel):
        broadcast = channel.broadcast

        def spoiled(value, source):
            value = broadcast(value, source)
            if source != 1:
                value['parameters'][self._corrupt].flatten()[0] += 1
            return value

        channel.broadcast = spoiled

    def _watch_commits(self, kind, number):
        write_state = store.write_state

        def write(root, step, *args):
            if step == number:
                AT_COMMITS[kind]()
            write_state(root, step, *args)

        store.write_state = write


@HOOKS.register_module()
class UsageHook(Hook):
    """Writes down what this process uses, in `usage.jsonl`, each round."""

    def after_exploration_round(self, runner, record):
        process, work_dir = Path('/proc/self'), Path(runner.work_dir)
        states = sorted(work_dir.glob('exploration/states/step_*/state.pt'))
        pages = int((process / 'statm').read_text().split()[1])
        row = dict(
            memory=pages * os.sysconf('SC_PAGESIZE'),
            files=len(list((process / 'fd').iterdir())),
            threads=len(list((process / 'task').iterdir())),
            children=len(multiprocessing.active_children()),
            objects=len(gc.get_objects()),
            states=len(states),
            state=states[-1].stat().st_size,
        )
        with open(work_dir / 'usage.jsonl', 'a') as file:
            file.write(json.dumps(row) + '\n')
