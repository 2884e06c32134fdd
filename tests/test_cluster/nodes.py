"""Two nodes on this machine: namespaces with a network between them.

Each has a host name, an address and a network of its own, and the file
systems of this machine.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.test_docs.pages import REPO
from tests.test_tools.shell import CHOICES

COMMANDS = ('ip', 'unshare', 'hostname')
NAMES = ('node0', 'node1')
ADDRESSES = ('10.77.0.1', '10.77.0.2')
DEVICE = 'wire'
_counts = itertools.count()


class Nodes:
    """Starts commands on two nodes.

    Args:
        namespaces: Their network namespaces.
        folder: Of files of their own.
    """

    def __init__(self, namespaces: Sequence[str], folder: Path) -> None:
        self.namespaces = namespaces
        self._folder = folder
        self._hosts = folder / 'hosts'
        names = zip(ADDRESSES, NAMES, strict=True)
        lines = ['127.0.0.1 localhost', *(' '.join(pair) for pair in names)]
        self._hosts.write_text('\n'.join(lines) + '\n')

    def train(
        self,
        node: int,
        config: Path,
        work_dir: Path,
        *arguments: str,
        setup: str = ':',
        **env: str,
    ) -> Train:
        """Calls `tools/dist_train.sh` on a node, with a rank of its own.

        Args:
            node: Which one, from 0.
            config: What is run.
            work_dir: Of the run.
            *arguments: Of `train.py`.
            setup: A command of the shell that changes the node before.
            **env: Further variables.
        """
        inside = (
            f'hostname {NAMES[node]}; '
            f'mount --bind {self._hosts} /etc/hosts; {setup}; exec "$@"'
        )
        command = [
            *('ip', 'netns', 'exec', self.namespaces[node]),
            *('unshare', '--uts', '--mount', 'bash', '-ec', inside, 'bash'),
            *(REPO / 'tools/dist_train.sh', config, 1),
            *('--work-dir', work_dir, '--resume'),
        ]
        return Train(
            list(map(str, command)),
            self._folder / f'output{next(_counts)}.txt',
            **{**_place(node), **env},
        )

    def kill(self, node: int) -> None:
        """Kills all processes of a node."""
        listed = _run('ip', 'netns', 'pids', self.namespaces[node])
        for process in listed.split():
            os.kill(int(process), signal.SIGKILL)


class Train:
    """A training that was started.

    Args:
        command: Starts it.
        output: What it prints goes there.
        **env: Additional variables.
    """

    def __init__(self, command: list[str], output: Path, **env: str) -> None:
        self._output = output
        inherited = {k: v for k, v in os.environ.items() if k not in CHOICES}
        with output.open('w') as file:
            self._process = subprocess.Popen(
                command,
                env={**inherited, **env},
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        """Returns what it has printed."""
        return self._output.read_text()

    def finish(self, seconds: float = 240) -> int:
        """Waits for its end; returns the exit status."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.output()) from None


def _place(node: int) -> dict[str, str]:
    return dict(
        NNODES='2',
        NODE_RANK=str(node),
        MASTER_ADDR=NAMES[0],
        PYTHON=sys.executable,
        PYTHONPATH=str(REPO),
        OMP_NUM_THREADS='1',
    )


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f'{command}: {done.stderr}'
    return done.stdout


@contextlib.contextmanager
def connected(
    folder: Path, delay: float = 0.0, lost: float = 0.0
) -> Iterator[Nodes]:
    """Makes two nodes and a link between them.

    Args:
        folder: For files.
        delay: Seconds that each packet takes; 0 for a link of the kernel's.
        lost: Share of the packets that are lost.
    """
    if os.geteuid():
        pytest.skip('network namespaces are made by root')
    if missing := [c for c in COMMANDS if shutil.which(c) is None]:
        pytest.skip(f'apt-get install iproute2: no {missing[0]}')
    namespaces = [f'mmada{os.getpid()}{name}' for name in NAMES]
    with contextlib.ExitStack() as stack:
        for namespace in namespaces:
            _run('ip', 'netns', 'add', namespace)
            stack.callback(_run, 'ip', 'netns', 'delete', namespace)
        nodes = Nodes(namespaces, folder)
        for node in range(2):
            stack.callback(nodes.kill, node)
        stack.enter_context(_link(namespaces, delay, lost))
        for namespace, address in zip(namespaces, ADDRESSES, strict=True):
            inside = ('ip', '-n', namespace)
            _run(*inside, 'address', 'add', f'{address}/24', 'dev', DEVICE)
            _run(*inside, 'link', 'set', DEVICE, 'up')
            _run(*inside, 'link', 'set', 'lo', 'up')
        yield nodes


@contextlib.contextmanager
def _link(
    namespaces: Sequence[str], delay: float, lost: float
) -> Iterator[None]:
    """Connects two namespaces by devices of the same name."""
    if not delay:
        first, second = namespaces
        _run(
            *(
                'ip',
                'link',
                'add',
                'name',
                DEVICE,
                'netns',
                first,
                'type',
                'veth',
            ),
            *('peer', 'name', DEVICE, 'netns', second),
        )
        yield
        return
    if not Path('/dev/net/tun').exists():
        pytest.skip('the kernel has no /dev/net/tun')
    script = Path(__file__).with_name('slow_link.py')
    command = [script, *namespaces, DEVICE, delay, lost]
    with subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b'ready\n'
            yield
        finally:
            process.kill()
