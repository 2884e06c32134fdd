"""An environment on a machine without a network, for its own torch.

It is on top of the Python that runs, whose torch and pip it uses; what that
lacks comes from a folder of wheels and source packages. mmcv's operators are
compiled if no wheel of them fits.
"""

from __future__ import annotations

import os
import shutil
import site
import sys
from pathlib import Path

from setup_env import (
    PROBE_OPERATORS,
    PROBE_STACK,
    STACKS,
    SetupError,
    count_jobs,
)
from timed_call import Clock, Done, call

OPERATORS = STACKS['onedl'].operators.replace('-', '_')

# The compute capability that the operators are compiled for.
PROBE_CAPABILITY = (
    'import torch\n'
    'if torch.cuda.is_available():\n'
    '    print("%d.%d" % torch.cuda.get_device_capability())\n'
)


def distributions(folder: Path) -> set[str]:
    """Return the names of the packages whose files are in a folder."""
    names = {path.name.split('-')[0] for path in folder.glob('*.whl')}
    for path in folder.glob('*.tar.gz'):
        names.add(path.name.rsplit('-', 1)[0].replace('-', '_'))
    return names


class OfflineEnvironment:
    """The environment, and what each step does in it.

    Args:
        wheels: Folder with wheels and source packages, of any Python.
        out: Gets the environment, what is compiled, and logs.
        clock: What is left of the time.
    """

    def __init__(self, wheels: Path, out: Path, clock: Clock) -> None:
        self.wheels = wheels
        self.out = out
        self.clock = clock
        self.built = out / 'wheels'
        self.python = out / 'venv' / 'bin' / 'python'

    def prepare(self) -> None:
        """Make the environment; what is there already is kept.

        Raises:
            SetupError: If a step fails, naming its log.
        """
        packages = distributions(self.wheels) - {OPERATORS}
        if not packages:
            raise SetupError(
                '`--wheels` should be a folder of wheels and source packages. '
                f'Found none in {self.wheels}.'
            )
        if not self.python.exists():
            self._create()
        self._install('packages', self.wheels, *sorted(packages))
        if not any(map(self._fits, (self.built, self.wheels))):
            self._compile()
            if not self._fits(self.built):
                raise SetupError(
                    'the compiled operators cannot be used, see '
                    f'{self._log("probe")}'
                )
        self._run('stack', self.python, '-c', PROBE_STACK)

    def _create(self) -> None:
        venv = self.out / 'venv'
        self._run('venv', sys.executable, '-m', 'venv', '--without-pip', venv)
        # As `--system-site-packages` does, but also where this Python is
        # that of an environment: it would be passed over.
        (packages,) = venv.glob('lib/python*/site-packages')
        parents = ''.join(
            # With its own .pth files: setuptools' brings distutils back.
            f'import site; site.addsitedir({path!r})\n'
            for path in site.getsitepackages()
        )
        (packages / 'parent.pth').write_text(parents)

    def _install(self, step: str, folder: Path, *packages: str) -> None:
        # Without dependencies: one may be there by another name, such as
        # OpenCV without windows.
        options = ('--no-index', '--no-deps', '--no-build-isolation')
        source = f'--find-links={folder}'
        self._pip(step, 'install', *options, source, *packages)

    def _fits(self, folder: Path) -> bool:
        """Return whether a folder has a wheel of the operators that works."""
        if not any(folder.glob(f'{OPERATORS}-*.whl')):
            return False
        wheel = ('--only-binary', OPERATORS, '--force-reinstall', OPERATORS)
        try:
            self._install('operators', folder, *wheel)
            self._run('probe', self.python, '-c', PROBE_OPERATORS)
        except SetupError:
            return False
        return True

    def _compile(self) -> None:
        """Compile the operators; a second call goes on where this stopped."""
        archives = sorted(self.wheels.glob(f'{OPERATORS}-*.tar.gz'))
        if not archives:
            raise SetupError(
                f'`--wheels` should hold {OPERATORS}-*.tar.gz, since no wheel '
                'of the operators fits this Python and torch. Found none in '
                f'{self.wheels}.'
            )
        source = self.out / archives[-1].name.removesuffix('.tar.gz')
        if not source.exists():
            shutil.unpack_archive(archives[-1], self.out)
        env = self._compiler()
        print(f'Compiling the operators, {env["MAX_JOBS"]} jobs', flush=True)
        options = ('--no-build-isolation', '--no-deps', '--wheel-dir')
        self._pip('compile', 'wheel', *options, self.built, source, **env)

    def _compiler(self) -> dict[str, str]:
        """Return the variables that the build reads."""
        headers = [
            str(path)
            for packages in site.getsitepackages()
            for path in Path(packages).glob('nvidia/*/include')
        ]
        found = dict(
            MAX_JOBS=count_jobs(),
            # Those of CUDA's libraries may be in pip's packages alone.
            CPATH=os.pathsep.join(headers),
            # What helps to debug would make the wheel many times as large.
            CFLAGS='-g0',
            LDFLAGS='-s',
        )
        probe = self._run('capability', self.python, '-c', PROBE_CAPABILITY)
        capability = probe.output.strip()
        if capability:
            found |= dict(FORCE_CUDA='1', TORCH_CUDA_ARCH_LIST=capability)
        return found

    def _pip(self, step: str, *arguments: object, **env: str) -> None:
        self._run(step, self.python, '-m', 'pip', *arguments, **env)

    def _run(self, step: str, *command: object, **env: str) -> Done:
        log = self._log(step)
        done = call(command, log, self.clock.left, **env)
        if done.status != 0:
            raise SetupError(
                f'the step {step!r} failed or took too long, see {log}:\n'
                f'{done.output[-2000:]}'
            )
        return done

    def _log(self, step: str) -> Path:
        return self.out / f'setup_{step}.log'
