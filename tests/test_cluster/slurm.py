"""A Slurm of two nodes on this machine, as the documentation starts it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.test_docs.pages import DOCS, REPO, read_blocks
from tests.test_tools.shell import CHOICES

COMMANDS = ('munged', 'slurmctld', 'slurmd', 'sbatch', 'unshare')


def block(start: str) -> str:
    """Returns the block of docs/distributed.md with a text in it."""
    page = read_blocks(DOCS / 'distributed.md')
    (found,) = [b.text for b in page if start in b.text]
    return found


def wait_until(
    done: Callable[[], object], seconds: float, tell: Callable[[], str]
) -> None:
    """Waits until something is true; fails with what `tell` returns."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, tell()
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port: int = free.getsockname()[1]
    return port


class Slurm:
    """Submits jobs to a Slurm and asks for them.

    Args:
        folder: Of its configuration and logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._env = {k: v for k, v in os.environ.items() if k not in CHOICES}
        self._env |= dict(
            SLURM_CONF=str(folder / 'slurm.conf'),
            OMP_NUM_THREADS='1',
            MASTER_PORT=str(_free_port()),
            PYTHON=sys.executable,
            PYTHONPATH=str(REPO),
        )

    def ask(self, *command: object, cwd: Path | None = None) -> str:
        """Runs a command of Slurm; returns what it prints."""
        done = subprocess.run(
            list(map(str, command)),
            env=self._env,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, script: str, folder: Path) -> Job:
        """Submits a batch script, whose output goes to a folder."""
        path = folder / 'job.sh'
        path.write_text(script)
        number = self.ask('sbatch', '--parsable', path, cwd=folder)
        return Job(self, number.strip(), folder)

    def is_idle(self) -> bool:
        """Returns whether both nodes wait for jobs."""
        with contextlib.suppress(AssertionError):
            states = self.ask('sinfo', '-N', '-h', '-o', '%T').split()
            return states == ['idle'] * 2
        return False

    def logs(self) -> str:
        """Returns the logs of all daemons."""
        paths = sorted(self.folder.glob('*.log'))
        return '\n'.join(f'{p.name}:\n{p.read_text()}' for p in paths)


class Job:
    """A job in Slurm's queue.

    Args:
        slurm: Where it is.
        number: Its number.
        folder: Where its output is.
    """

    def __init__(self, slurm: Slurm, number: str, folder: Path) -> None:
        self.slurm, self.number = slurm, number
        self._output = folder / f'slurm-{number}.out'

    def output(self) -> str:
        """Returns what it has printed, in all of its starts."""
        return self._output.read_text() if self._output.exists() else ''

    def entry(self, name: str) -> str:
        """Returns what Slurm says of it."""
        text = self.slurm.ask('scontrol', 'show', 'job', '-o', self.number)
        found = re.search(rf'\b{name}=(\S*)', text)
        assert found, text
        return found[1]

    def requeue(self) -> None:
        """Has Slurm stop it and put it into the queue again."""
        self.slurm.ask('scontrol', 'requeue', self.number)

    def end_after(self, minutes: int) -> None:
        """Sets the time limit: minutes from its start."""
        limit = f'TimeLimit={minutes}'
        self.slurm.ask('scontrol', 'update', f'JobId={self.number}', limit)

    def minutes(self) -> int:
        """Returns the full minutes that it has run."""
        hours, minutes, _ = map(int, self.entry('RunTime').split(':'))
        return 60 * hours + minutes

    def finish(self, seconds: float) -> None:
        """Waits for a good end."""
        ended = ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED')
        wait_until(
            lambda: self.entry('JobState') in ended,
            seconds,
            lambda: f'{self.output()}\n{self.slurm.logs()}',
        )
        assert self.entry('JobState') == 'COMPLETED', self.output()


@contextlib.contextmanager
def started() -> Iterator[Slurm]:
    """Starts the documented Slurm, and ends all that runs in it.

    Its processes are in namespaces of their own: they see another
    /etc/hosts, and none outlives the first of them, which ends with these
    tests.
    """
    if os.geteuid():
        pytest.skip('Slurm is started by root')
    if missing := [c for c in COMMANDS if shutil.which(c) is None]:
        pytest.skip(f'apt-get install slurm-wlm munge: no {missing[0]}')
    # Short: the name of a socket is in it.
    with tempfile.TemporaryDirectory(prefix='slurm') as name:
        folder = Path(name)
        (folder / 'hosts').write_text(Path('/etc/hosts').read_text())
        own = subprocess.Popen(
            [
                *('unshare', '--mount', '--pid', '--fork', '--kill-child'),
                *('--mount-proc', 'bash', '-ec', _script(folder)),
            ],
            stdin=subprocess.PIPE,
        )
        try:
            slurm = Slurm(folder)
            wait_until(lambda: own.poll() or slurm.is_idle(), 60, slurm.logs)
            assert own.poll() is None, slurm.logs()
            yield slurm
        finally:
            own.kill()
            own.wait()


def _script(folder: Path) -> str:
    documented = block('slurmctld\n')
    lines = documented.replace('$(mktemp -d)', str(folder)).splitlines()
    assert lines[0].startswith('apt-get install')
    return '\n'.join(
        [f'mount --bind {folder}/hosts /etc/hosts', *lines[1:], 'read']
    )
