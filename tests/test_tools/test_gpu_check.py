"""tools/dev/gpu_check.py: its rows, its limits, and its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.support.scripts import load

REPO = Path(__file__).resolve().parents[2]
ON_CPU = pytest.mark.skipif(
    torch.cuda.is_available(), reason='asks what runs without a GPU'
)


@pytest.fixture
def gpu_check() -> ModuleType:
    return load('dev/gpu_check.py')


@pytest.fixture
def run(
    gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., dict[str, list[object]]]:
    """Runs other checks on this Python; returns result and lines by name."""

    def run_checks(
        *checks: object, minutes: float = 10.0
    ) -> dict[str, list[object]]:
        monkeypatch.setattr(gpu_check, 'CHECKS', checks)
        gpu_check.main(['--out', str(tmp_path), '--minutes', str(minutes)])
        content = json.loads((tmp_path / 'checks.json').read_text())
        assert content['machine']['torch'] == torch.__version__
        return {
            row['check']: [row['result'], row['found']]
            for row in content['checks']
        }

    return run_checks


def test_what_fails_or_hangs_is_a_row(gpu_check, run, tmp_path):
    def check(name, code, seconds=60):
        return gpu_check.Check(name, ('-c', code), seconds, r'^ratio.*$')

    hang = (
        'import os, subprocess, sys, time\n'
        'child = subprocess.Popen([sys.executable, "-c", '
        '"import time; time.sleep(99)"], preexec_fn=os.setpgrp)\n'
        'print("ratio 7", child.pid, flush=True)\n'
        'time.sleep(99)\n'
    )
    found = run(
        check('good', 'print("no"); print("ratio 1 | 2")'),
        check('bad', 'print("why")\nraise SystemExit(3)'),
        check('hangs', hang, seconds=3),
        check('after', 'print("ratio 2")'),
    )
    (line,) = found['hangs'].pop()
    assert found == {
        'good': ['passed', ['ratio 1 | 2']],
        'bad': ['failed', ['why']],
        'hangs': ['too long'],
        'after': ['passed', ['ratio 2']],
    }
    assert is_gone(int(line.split()[-1]))  # nothing goes on holding a GPU
    table = (tmp_path / 'checks.md').read_text().splitlines()
    assert len(table) == 4 + 4
    assert r'| ratio 1 \| 2 |' in table[4]


def is_gone(pid: int) -> bool:
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f'/proc/{pid}/stat').read_text().split()[2] == 'Z':
            return True
        time.sleep(0.1)
    return False


def test_no_check_begins_when_the_time_is_over(gpu_check, tmp_path):
    class Over:
        left = 0.0

    report = gpu_check.Report(tmp_path, dict(gpu=True))
    gpu_check.run(gpu_check.CHECKS, Path(sys.executable), report, Over())
    assert {row['result'] for row in report.rows} == {'no time left'}
    assert len(report.rows) == len(gpu_check.CHECKS)


@ON_CPU
def test_checks_of_a_gpu_need_one(gpu_check, run):
    found = run(*(c for c in gpu_check.CHECKS if c.needs_gpu))
    assert len(found) > 3
    assert {result for result, _ in found.values()} == {'no GPU'}


@pytest.mark.slow
def test_a_benchmark_and_tests_run(gpu_check, run):
    by_name = {check.name: check for check in gpu_check.CHECKS}
    benchmark = by_name['peak memory of m = 2, 4, 8']
    states = by_name['a state stored and restored']
    found = run(
        benchmark._replace(
            command=(benchmark.command[0], '--quick'), seconds=500
        ),
        states._replace(needs_gpu=False, seconds=500),
    )
    result, lines = found[benchmark.name]
    assert result == 'passed'
    assert [line.split()[0] for line in lines] == ['m', 'm', 'ratio', 'ratio']
    result, (line,) = found[states.name]
    assert (result, line.split()[:2]) == ('passed', ['1', 'passed'])


def test_skipped_tests_have_not_passed(gpu_check):
    check = gpu_check.tests('any', 'a_file')
    done = gpu_check.Done(0, '..\n2 skipped in 0.10s\n', 1.0)
    assert gpu_check.judge(check, done)[0] == 'skipped'


def test_files_of_the_checks_exist(gpu_check):
    words = [w for c in gpu_check.CHECKS for w in c.command if '/' in w]
    paths = [REPO / w for w in words if w.startswith(('tests/', 'tools/'))]
    assert len(paths) > 8
    assert all(path.exists() for path in paths)


def write_wheel(folder: Path, name: str, code: str) -> None:
    info = f'{name}-1.0.dist-info'
    with zipfile.ZipFile(folder / f'{name}-1.0-py3-none-any.whl', 'w') as file:
        file.writestr(f'{name}.py', code)
        file.writestr(
            f'{info}/METADATA',
            f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n',
        )
        file.writestr(
            f'{info}/WHEEL',
            'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
        )
        file.writestr(f'{info}/RECORD', '')


@pytest.mark.slow
def test_packages_and_operators_come_from_the_folder(
    tmp_path, monkeypatch, capsys
):
    """A wheel of operators that does not fit is compiled anew, once."""
    offline = load('dev/offline_env.py')
    monkeypatch.setattr(offline, 'OPERATORS', 'toy_operators')
    probe = 'import lacking, toy_operators; toy_operators.check()'
    monkeypatch.setattr(offline, 'PROBE_OPERATORS', probe)
    # As Python 3.12, which has no distutils but setuptools', finds it.
    pth_is_read = 'import sys; assert "_distutils_hack" in sys.modules'
    monkeypatch.setattr(offline, 'PROBE_STACK', pth_is_read)
    wheels, out = tmp_path / 'wheels', tmp_path / 'out'
    source = tmp_path / 'toy_operators-1.0'
    for folder in (wheels, out, source):
        folder.mkdir()
    write_wheel(wheels, 'lacking', '')
    write_wheel(wheels, 'toy_operators', 'def check(): raise OSError')
    (source / 'setup.py').write_text(
        'import os\n'
        'from setuptools import setup\n'
        'assert os.environ["MAX_JOBS"]\n'
        'setup(name="toy_operators", version="1.0", '
        'py_modules=["toy_operators"])\n'
    )
    (source / 'toy_operators.py').write_text('def check(): import torch')
    subprocess.run(
        ['tar', 'czf', wheels / 'toy_operators-1.0.tar.gz', source.name],
        cwd=tmp_path,
        check=True,
    )
    for _ in range(2):
        environment = offline.OfflineEnvironment(wheels, out, offline.Clock(5))
        environment.prepare()
    assert capsys.readouterr().out.count('Compiling') == 1
    assert list((out / 'wheels').glob('toy_operators-*.whl'))
    call = [environment.python, '-c', probe]
    subprocess.run(call, cwd=tmp_path, check=True)
    monkeypatch.setattr(offline, 'PROBE_STACK', 'import no_such_package')
    with pytest.raises(offline.SetupError, match='no_such_package'):
        environment.prepare()


@pytest.mark.parametrize('files', [[], ['lacking-1.0-py3-none-any.whl']])
def test_a_folder_without_what_is_needed_is_refused(
    tmp_path, monkeypatch, files
):
    offline = load('dev/offline_env.py')
    for name in files:
        (tmp_path / name).write_text('')
    environment = offline.OfflineEnvironment(
        tmp_path, tmp_path, offline.Clock(1)
    )
    monkeypatch.setattr(environment, '_create', lambda: None)
    monkeypatch.setattr(environment, '_install', lambda *_: None)
    with pytest.raises(offline.SetupError, match='`--wheels` should .* Found'):
        environment.prepare()
