"""What of mmada works on this machine's GPU, and how fast is it?

Runs the tests that need a GPU and the benchmarks, each in a process of its
own, and writes `checks.md`, a table, and `checks.json` after each of them. A
check that fails or takes too long is a row of it. Without a GPU those are run
that do not need one.

On a machine without a network, what it lacks comes from the folder WHEELS,
see `docs/performance.md`. mmcv's operators are compiled if no wheel of them
fits; theirs is then in OUT/wheels, to be put into WHEELS for the next call.

    python tools/dev/gpu_check.py --wheels wheels --out work_dirs/gpu
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from offline_env import OfflineEnvironment
from setup_env import PROBE_OPERATORS, PROBE_STACK, SetupError
from timed_call import REPO, Clock, Done, call

PROBE_MACHINE = """\
import json, platform, torch
gpu = torch.cuda.is_available()
print(json.dumps(dict(
    gpu=gpu,
    device=torch.cuda.get_device_name() if gpu else 'no GPU',
    python=platform.python_version(),
    torch=torch.__version__,
    cuda=torch.version.cuda,
)))
"""


class Check(NamedTuple):
    """One row of the table.

    Attributes:
        name: What is checked.
        command: Arguments of Python.
        seconds: It is stopped after so many.
        shown: Regular expression of the lines that the table shows.
        needs_gpu: Whether it says nothing without one.
    """

    name: str
    command: tuple[str, ...]
    seconds: int
    shown: str
    needs_gpu: bool = False


def tests(name: str, *arguments: str, seconds: int = 90) -> Check:
    """Return a check that runs tests with a GPU, whatever their marks."""
    command = ('-m', 'pytest', '-q', '-m', '', *arguments)
    return Check(name, command, seconds, r'^\d+ .* in [\d.]+s.*$', True)


def benchmark(name: str, script: str, *arguments: str) -> Check:
    """Return a check that measures; also without a GPU."""
    path = f'tools/benchmarks/speed/{script}.py'
    return Check(name, (path, *arguments), 150, r'^(?:ratio|m =|[\d.]+ ms).*$')


FEATURES = 'tests/test_engine/test_training_features'
CHECKS = (
    tests(
        'operators: RoIAlign, NMS, deformable convolution',
        'tests/test_gpu/test_operators.py',
    ),
    tests(
        'training with AMP, float16 and bfloat16',
        f'{FEATURES}/test_amp_on_gpu.py',
    ),
    tests('SyncBN on one rank', f'{FEATURES}/test_sync_bn.py', '-k', 'a_gpu'),
    tests(
        'one rank by NCCL, two on one GPU by gloo',
        'tests/test_gpu/test_ranks.py',
        seconds=120,
    ),
    tests('a state stored and restored', 'tests/test_gpu/test_states.py'),
    benchmark(
        'iteration, weighted / stock', 'weighting_overhead', '--repeats=100'
    ),
    Check(
        'the demo, quick',
        ('-m', 'mmada', 'demo', '--size=quick', '--work-dir={out}/demo'),
        180,
        r'^\d+ s; .*$',
    ),
    benchmark(
        'search with m = 8 / 8 trainings',
        'exploration_cost',
        *('--rounds=1', '--replicas=8', '--iters=20', '--reward=16'),
        '--repeats=1',
    ),
    benchmark(
        'peak memory of m = 2, 4, 8',
        'memory',
        *('--repeats=1', '--replicas', '2', '4', '8'),
    ),
    tests(
        'memory of a GPU: used up, and over many rounds',
        'tests/test_faults/test_replicas.py',
        'tests/test_faults/test_growth.py',
        *('-k', 'of_an_accelerator'),
    ),
    tests(
        'searches, hooks and replicas of a toy problem',
        'tests/test_engine/test_loops',
        'tests/test_engine/test_hooks',
        'tests/test_engine/test_replicas',
        seconds=150,
    ),
)


class Report:
    """The rows so far, in files that are written anew for each.

    Args:
        out: Folder of the files.
        machine: What is known of it, by name.
    """

    def __init__(self, out: Path, machine: dict[str, Any]) -> None:
        self.out = out
        self.machine = machine
        self.rows: list[dict[str, Any]] = []

    def add(
        self,
        check: Check,
        result: str,
        seconds: float = 0.0,
        shown: Iterable[str] = (),
    ) -> None:
        """Add a row, write and print it."""
        row = dict(
            check=check.name,
            result=result,
            seconds=round(seconds, 1),
            found=list(shown),
            command=' '.join(check.command),
        )
        self.rows.append(row)
        content = dict(machine=self.machine, checks=self.rows)
        (self.out / 'checks.json').write_text(json.dumps(content, indent=2))
        (self.out / 'checks.md').write_text(self.table())
        print(f'{result:12} {seconds:5.0f} s  {check.name}', flush=True)

    def table(self) -> str:
        """Return the rows in Markdown."""
        machine = ', '.join(f'{k} {v}' for k, v in self.machine.items())
        lines = [machine, '', '| check | result | s | found |']
        lines.append('| --- | --- | ---: | --- |')
        for row in self.rows:
            found = '<br>'.join(row['found']).replace('|', r'\|')
            cells = (row['check'], row['result'], row['seconds'], found)
            lines.append(f'| {" | ".join(map(str, cells))} |')
        return '\n'.join(lines) + '\n'


def judge(check: Check, done: Done) -> tuple[str, list[str]]:
    """Return the result of a check that ran, and what the table shows."""
    shown = re.findall(check.shown, done.output, re.MULTILINE)
    if done.status != 0:
        result = 'too long' if done.status is None else 'failed'
        return result, shown or done.output.strip().splitlines()[-1:]
    if check.needs_gpu and not any('passed' in line for line in shown):
        return 'skipped', shown
    return 'passed', shown


def run(
    checks: Iterable[Check], python: Path, report: Report, clock: Clock
) -> None:
    """Run checks one after another, as long as there is time."""
    for number, check in enumerate(checks, 1):
        if check.needs_gpu and not report.machine['gpu']:
            report.add(check, 'no GPU')
        elif not clock.left:
            report.add(check, 'no time left')
        else:
            words = [word.format(out=report.out) for word in check.command]
            log = report.out / f'check_{number}.log'
            limit = min(check.seconds, clock.left)
            done = call([python, *words], log, limit, OMP_NUM_THREADS='1')
            result, shown = judge(check, done)
            report.add(check, result, done.seconds, shown)


def find_python(wheels: Path | None, out: Path, clock: Clock) -> Path:
    """Return the Python that runs the checks.

    Raises:
        SetupError: If this one has no stack that works, and none can be
            installed.
    """
    here, log = Path(sys.executable), out / 'setup_here.log'
    probe = f'{PROBE_OPERATORS}{PROBE_STACK}'
    done = call([here, '-c', probe], log, clock.left)
    if done.status == 0:
        return here
    if wheels is None:
        raise SetupError(
            f'{here} has no packages of MMDetection that work, see {log}. '
            'Name a folder of what is lacking with `--wheels`.'
        )
    environment = OfflineEnvironment(wheels, out, clock)
    environment.prepare()
    return environment.python


def describe(python: Path) -> dict[str, Any]:
    """Return device, versions and commit."""
    command = [str(python), '-c', PROBE_MACHINE]
    output = subprocess.check_output(command, text=True)
    return json.loads(output.splitlines()[-1]) | dict(commit=find_commit())


def find_commit() -> str:
    """Return the commit of the checkout; 'unknown' for a mere copy."""
    command = ['git', 'describe', '--always', '--dirty']
    try:
        return subprocess.check_output(
            command, cwd=REPO, stderr=subprocess.DEVNULL, text=True
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def select(names: list[str]) -> list[Check]:
    """Return the checks whose names hold one of some words; all for none."""
    return [c for c in CHECKS if not names or any(n in c.name for n in names)]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=REPO / 'work_dirs' / 'gpu')
    parser.add_argument('--wheels', type=Path, help='packages to install')
    parser.add_argument(
        '--minutes', type=float, default=8.0, help='for all, the set-up too'
    )
    parser.add_argument(
        '--only', nargs='*', default=[], help='words in names of checks'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run the checks."""
    args = parse_args(argv)
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    clock = Clock(args.minutes)
    try:
        wheels = args.wheels and args.wheels.resolve()
        python = find_python(wheels, out, clock)
    except SetupError as error:
        raise SystemExit(f'gpu_check: {error}') from None
    report = Report(out, describe(python))
    run(select(args.only), python, report, clock)
    print(f'{out / "checks.md"}')


if __name__ == '__main__':
    main()
