"""Make the virtual environment that the Makefile's commands run in.

The work is a row of steps. Each leaves a stamp in the environment when it has
ended well, so that a second call starts at once, an interrupted one goes on
where it stopped, and a change of a requirements file redoes what depends on
it. Only the standard library is used; pip's own configuration is honoured.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
MEMORY_PER_JOB = 1.5e9  # bytes that one compiler process needs at most

PROBE_CUDA = (
    'import torch\n'
    'from torch.utils.cpp_extension import CUDA_HOME\n'
    'print(int(torch.cuda.is_available() and CUDA_HOME is None))\n'
)
PROBE_OPERATORS = (
    'import torch, mmcv.ops as ops\n'
    'cuda = ops.get_compiling_cuda_version() != "not available"\n'
    'assert cuda or not torch.cuda.is_available(), "compiled without CUDA"\n'
)
# By path: a mistake in the package's other files is not the set-up's matter.
PROBE_STACK = (
    'import runpy\n'
    f'runpy.run_path({str(REPO / "mmada" / "_stack.py")!r})["check_stack"]()\n'
)


class Stack(NamedTuple):
    """One of the two families of packages that mmada works with.

    Attributes:
        operators: Distribution of the compiled operators.
        extras: Of setup.cfg, to be installed with the package for whoever
            uses it. The first is the family itself, and the name of its
            requirements file.
        makers: What tests, lint and documentation need on top.
        early: Packages of that file which the build has to find as they are.
        opencv: The build of OpenCV without windows.
    """

    operators: str
    extras: tuple[str, ...]
    makers: tuple[str, ...]
    early: tuple[str, ...]
    opencv: str


TESTS = ('torchjd', 'search', 'camvid', 'tests')
STACKS = dict(
    onedl=Stack(
        operators='onedl-mmcv',
        extras=('onedl', 'report'),
        makers=('mmseg', *TESTS, 'lint', 'docs', 'release'),
        early=(),
        opencv='opencv-python-headless<4.13',
    ),
    openmmlab=Stack(
        operators='mmcv',
        extras=('openmmlab', 'report'),
        makers=TESTS,
        early=('numpy',),
        opencv='opencv-python-headless<4.12',
    ),
)


class SetupError(Exception):
    """Something that the user has to mend; the message says how."""


class Step(NamedTuple):
    """One piece of the set-up.

    Attributes:
        name: Name of the stamp.
        files: The files, relative to the repository, whose change asks for
            this step (and all later ones) again.
        run: Does the work; raises when it fails.
    """

    name: str
    files: tuple[str, ...]
    run: Callable[[], None]


def run_steps(steps: list[Step], stamps: Path, salt: str) -> None:
    """Run the steps whose stamp is missing or stands for other inputs.

    Args:
        steps: In order; the stamp of one depends on those before.
        stamps: The folder of the stamps.
        salt: What else all of them depend on.
    """
    key = salt
    for step in steps:
        content = b''.join((REPO / name).read_bytes() for name in step.files)
        key = hashlib.sha256(key.encode() + content).hexdigest()
        stamp = stamps / step.name
        if stamp.is_file() and stamp.read_text() == key:
            continue
        stamp.unlink(missing_ok=True)
        step.run()
        stamps.mkdir(parents=True, exist_ok=True)
        stamp.write_text(key)


def check_python() -> None:
    """Refuse an interpreter that cannot make the environment."""
    found = platform.python_version()
    if not (3, 10) <= sys.version_info < (3, 13):
        raise SetupError(
            f'Python 3.10, 3.11 or 3.12 is needed, {sys.executable} is '
            f'{found}. Name another one: make PYTHON=/path/to/python3.11 ...'
        )
    if not all(map(importlib.util.find_spec, ('venv', 'ensurepip'))):
        raise SetupError(
            f'{sys.executable} ({found}) has no module venv or ensurepip. '
            f'On Debian and Ubuntu: apt-get install {python_name()}-venv'
        )


def check_compiler() -> None:
    """Refuse a machine that cannot compile the operators, before a long wait.

    The check comes first of all, since the compiler is needed only after a
    large download.
    """
    problems = []
    compiler = shlex.split(os.environ.get('CXX', '')) or ['g++']
    if shutil.which(compiler[0]) is None:
        problems.append(
            f'the C++ compiler {compiler[0]} (Debian and Ubuntu: apt-get '
            'install g++; another one: CXX=...)'
        )
    header = Path(sysconfig.get_paths()['include']) / 'Python.h'
    if not header.is_file():
        problems.append(
            f'{header} (Debian and Ubuntu: apt-get install '
            f'{python_name()}-dev)'
        )
    if problems:
        raise SetupError(
            "mmcv's operators are compiled from source, and this machine "
            f'lacks {" and ".join(problems)}.'
        )


def python_name() -> str:
    """Such as ``python3.11``, as Debian names its packages."""
    return f'python{sys.version_info.major}.{sys.version_info.minor}'


def count_jobs() -> str:
    """Compiler processes at a time: MAX_JOBS, or what the machine bears."""
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    cores = len(os.sched_getaffinity(0))
    bearable = max(1, min(cores, int(memory // MEMORY_PER_JOB)))
    return os.environ.get('MAX_JOBS') or str(bearable)


class Environment:
    """The virtual environment, and what each step does in it.

    Args:
        folder: Where it is.
        stack: Name of its packages' family. Defaults to 'onedl'.
        for_users: Whether to leave out what only the makers of mmada need.
            Defaults to False.
    """

    def __init__(
        self, folder: Path, stack: str = 'onedl', for_users: bool = False
    ) -> None:
        self.folder = folder
        self.stack = STACKS[stack]
        self.for_users = for_users
        self.requirements = f'requirements/{stack}.txt'
        self.python = folder / 'bin' / 'python'

    def steps(self) -> list[Step]:
        build = ('requirements/build.txt',)
        package = files_of('runtime', *self.stack.extras[1:])
        steps = [
            Step('python', (), self.create),
            Step('build', build, self.install_build),
            Step('operators', (self.requirements,), self.install_operators),
            Step('package', (*package, 'setup.cfg'), self.install_package),
            Step('opencv', (), self.check_opencv),
            Step('check', (), self.check),
        ]
        if not self.for_users:
            makers = files_of(*self.stack.makers)
            steps.append(Step('makers', makers, self.install_for_makers))
        return steps

    def create(self) -> None:
        check_compiler()
        say(f'Making {self.folder} with Python {platform.python_version()}')
        # Over an existing one this repairs, and leaves what is installed.
        subprocess.run(
            [sys.executable, '-m', 'venv', str(self.folder)], check=True
        )

    def check_version(self) -> None:
        """Refuse an environment of another Python, or a broken one."""
        if not self.python.is_symlink():
            return
        script = 'import sys; print("%d.%d" % sys.version_info[:2])'
        if not self.python.exists():
            state = 'holds a Python that is gone'
        elif f'python{self.output(script)}' != python_name():
            state = f'is not of {python_name()}'
        else:
            return
        raise SetupError(f'{self.folder} {state}. Remove it first.')

    def install_build(self) -> None:
        say('Installing torch and what the build of the operators needs')
        early = [self.requirement(package) for package in self.stack.early]
        self.pip('-r', 'requirements/build.txt', *early)

    def install_operators(self, *options: str) -> None:
        check_compiler()
        if self.output(PROBE_CUDA) == '1':
            raise SetupError(
                'torch sees a GPU, but there is no nvcc to compile the '
                'operators for it. Install the CUDA toolkit of the version '
                'that torch.version.cuda tells (or set CUDA_HOME), or hide '
                'the GPU: CUDA_VISIBLE_DEVICES= make ...'
            )
        jobs = count_jobs()
        say(
            f"Compiling mmcv's operators with {jobs} jobs: about 10 minutes "
            'on 2 cores, only the first time (MAX_JOBS changes the number)'
        )
        self.pip(
            '--no-build-isolation',
            '--no-deps',
            *options,
            self.requirement(self.stack.operators),
            env={**os.environ, 'MAX_JOBS': jobs},
        )

    def install_package(self) -> None:
        say('Installing the stack and mmada')
        self.install_extras(self.stack.extras)

    def install_for_makers(self) -> None:
        say('Installing what tests, lint and documentation need')
        self.install_extras((*self.stack.extras, *self.stack.makers))

    def install_extras(self, names: tuple[str, ...]) -> None:
        self.pip('--no-build-isolation', '-e', f'.[{",".join(names)}]')

    def check_opencv(self) -> None:
        error = self.try_python('import cv2')
        if 'cannot open shared object file' in error:
            say(
                f'OpenCV lacks a system library ({error.splitlines()[-1]}): '
                'putting its build without windows over it. (The other way, '
                'on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0)'
            )
            self.pip(
                '--force-reinstall',
                '--no-deps',
                self.stack.opencv,
            )

    def check(self) -> None:
        error = self.try_python(PROBE_OPERATORS)
        if error:
            say(
                'The operators do not fit, since pip had them ready from '
                f'somewhere else ({error.splitlines()[-1]})'
            )
            self.install_operators(
                '--force-reinstall',
                '--no-cache-dir',
                '--no-binary',
                self.stack.operators,
            )
        error = self.try_python(PROBE_STACK)
        if error:
            raise SetupError(error)

    def requirement(self, package: str) -> str:
        """Return the line of the requirements that asks for a package."""
        lines = (REPO / self.requirements).read_text().splitlines()
        return next(line for line in lines if line.startswith(package))

    def pip(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        """Run ``pip install`` in the environment."""
        command = [str(self.python), '-m', 'pip', 'install', *arguments]
        subprocess.run(command, check=True, cwd=REPO, env=env)

    def output(self, script: str) -> str:
        """Return what a script prints in the environment's interpreter."""
        return subprocess.run(
            [str(self.python), '-c', script],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()

    def try_python(self, script: str) -> str:
        """Return the error text of a script, empty when it ran."""
        done = subprocess.run(
            [str(self.python), '-c', script],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.stderr.strip() if done.returncode else ''


def files_of(*names: str) -> tuple[str, ...]:
    """Return the requirements files of some extras."""
    return tuple(f'requirements/{name}.txt' for name in names)


def say(text: str) -> None:
    print(f'== {text}', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description='set up .venv')
    parser.add_argument('--venv', type=Path, default=REPO / '.venv')
    parser.add_argument('--stack', choices=list(STACKS), default='onedl')
    parser.add_argument(
        '--for-users',
        action='store_true',
        help='leave out what only tests, lint and documentation need',
    )
    args = parser.parse_args()
    folder = args.venv.resolve()
    environment = Environment(folder, args.stack, args.for_users)
    try:
        check_python()
        environment.check_version()
        salt = f'{python_name()} {REPO}'
        run_steps(environment.steps(), folder / 'mmada-set-up', salt)
    except SetupError as error:
        raise SystemExit(f'Set-up: {error}') from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f'Set-up: this command failed, see above: '
            f'{shlex.join(error.cmd)}\nCalled again, the set-up goes on here.'
        ) from None


if __name__ == '__main__':
    main()
