"""Would a release of this checkout work? Builds it and tries it.

Builds the source archive, and the wheel from it; installs the wheel, and
nothing of the checkout, into a fresh environment with the tested stack;
imports it there and runs the demo's quick form. Everything is left in the
folder OUT, and a second call keeps the environment.
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

from setup_env import Environment, SetupError, run_steps

REPO = Path(__file__).resolve().parents[2]
VERSION = runpy.run_path(str(REPO / 'mmada' / 'version.py'))['__version__']
# What the steps before the package's own need not be done again for.
BEFORE_PACKAGE = ('python', 'build', 'operators')
PROBE = 'import mmada; print(mmada.__version__, mmada.__file__)'


class ReleaseError(Exception):
    """What has to be mended before a release; the message says it."""


def check_checkout() -> None:
    """Refuse a state that is not that of a commit, or not written up.

    Raises:
        ReleaseError: If files differ from the commit, or the changelog has
            no entry for the version.
    """
    changed = run('git', 'status', '--porcelain').strip()
    if changed:
        raise ReleaseError(f'The checkout differs from its commit:\n{changed}')
    changelog = (REPO / 'CHANGELOG.md').read_text()
    if f'\n## {VERSION}' not in changelog:
        raise ReleaseError(
            f'CHANGELOG.md has no entry for {VERSION}, the version in '
            'mmada/version.py.'
        )


def build(dist: Path) -> Path:
    """Build the archive and from it the wheel; return the wheel."""
    shutil.rmtree(dist, ignore_errors=True)
    run(sys.executable, '-m', 'build', '--outdir', str(dist), str(REPO))
    (wheel,) = dist.glob(f'mmada-{VERSION}-*.whl')
    return wheel


def install(wheel: Path, folder: Path) -> Environment:
    """Install the wheel with the tested stack into an environment."""
    environment = Environment(folder)
    steps = [s for s in environment.steps() if s.name in BEFORE_PACKAGE]
    run_steps(steps, folder / 'mmada-set-up', str(folder))
    environment.pip('--force-reinstall', '--no-deps', str(wheel))
    environment.pip(f'mmada[onedl] @ {wheel.as_uri()}')
    environment.check_opencv()
    return environment


def try_out(environment: Environment, out: Path) -> None:
    """Import the wheel and run the demo's quick form with it.

    Raises:
        ReleaseError: If another mmada than the wheel's is imported.
    """
    python = str(environment.python)
    found = run(python, '-c', PROBE, cwd=out).splitlines()[-1]
    if str(environment.folder) not in found:
        raise ReleaseError(f'The environment imports mmada from {found}.')
    work_dir = out / 'demo'
    shutil.rmtree(work_dir, ignore_errors=True)
    demo = ['-m', 'mmada', 'demo', '--size', 'quick']
    run(python, *demo, '--work-dir', str(work_dir), cwd=out)


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command without the caller's Python path; return its output.

    Raises:
        ReleaseError: If it fails, with the end of what it printed.
    """
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    done = subprocess.run(
        command,
        cwd=cwd or REPO,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise ReleaseError(f'{" ".join(command)}:\n{done.stdout[-3000:]}')
    return done.stdout


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--out', type=Path, default=REPO / 'work_dirs' / 'release'
    )
    parser.add_argument(
        '--allow-changes',
        action='store_true',
        help='also of a checkout that differs from its commit',
    )
    return parser.parse_args()


def main() -> None:
    """Check a release, step by step."""
    args = parse_args()
    out = args.out.resolve()
    try:
        if not args.allow_changes:
            check_checkout()
        out.mkdir(parents=True, exist_ok=True)
        wheel = build(out / 'dist')
        print(f'Built {wheel.name}.', flush=True)
        environment = install(wheel, out / 'venv')
        try_out(environment, out)
    except (ReleaseError, SetupError) as error:
        raise SystemExit(f'release_check: {error}') from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f'release_check: failed: {error.cmd}') from None
    print(f'mmada {VERSION} installs, imports and runs its demo.')


if __name__ == '__main__':
    main()
