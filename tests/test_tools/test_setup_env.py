"""tools/dev/setup_env.py: its steps, its stamps and what it refuses."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.scripts import load

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def setup_env() -> ModuleType:
    return load('dev/setup_env.py')


@pytest.fixture
def environment(setup_env: ModuleType, tmp_path: Path) -> Any:
    """An environment that records pip's arguments and answers scripts."""

    class Recorded(setup_env.Environment):
        def __init__(self, folder: Path, stack: str = 'onedl') -> None:
            super().__init__(folder, stack)
            self.installs: list[tuple[str, ...]] = []
            self.jobs: list[str] = []
            self.errors: dict[str, str] = {}
            self.gpu_without_nvcc = '0'

        def pip(
            self, *arguments: str, env: dict[str, str] | None = None
        ) -> None:
            self.installs.append(arguments)
            self.jobs += [env['MAX_JOBS']] if env else []

        def output(self, script: str) -> str:
            return self.gpu_without_nvcc

        def try_python(self, script: str) -> str:
            return self.errors.get(script, '')

    return Recorded(tmp_path / 'venv')


class Steps:
    """Three steps that record when they run; one file for the second."""

    def __init__(self, setup_env: ModuleType, folder: Path) -> None:
        self.ran: list[str] = []
        self.failing = ''
        self.folder = folder
        self.run_steps = setup_env.run_steps
        self.steps = [
            setup_env.Step(name, files, lambda name=name: self.run(name))
            for name, files in (('a', ()), ('b', ('b.txt',)), ('c', ()))
        ]

    def run(self, name: str) -> None:
        self.ran.append(name)
        if name == self.failing:
            raise KeyboardInterrupt

    def __call__(self, salt: str = '3.11') -> list[str]:
        self.ran.clear()
        self.run_steps(self.steps, self.folder / 'stamps', salt)
        return list(self.ran)


@pytest.fixture
def steps(
    setup_env: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Steps:
    monkeypatch.setattr(setup_env, 'REPO', tmp_path)
    (tmp_path / 'b.txt').write_text('torch==1')
    return Steps(setup_env, tmp_path)


def test_second_call_runs_nothing(steps: Steps) -> None:
    assert steps() == ['a', 'b', 'c']
    assert steps() == []


def test_interrupted_set_up_goes_on(steps: Steps) -> None:
    steps.failing = 'b'
    with pytest.raises(KeyboardInterrupt):
        steps()
    steps.failing = ''
    assert steps() == ['b', 'c']


def test_changed_file_redoes_its_step_and_later_ones(steps: Steps) -> None:
    steps()
    (steps.folder / 'b.txt').write_text('torch==2')
    assert steps() == ['b', 'c']
    assert steps() == []


def test_step_that_failed_after_a_change_is_not_taken_as_done(
    steps: Steps,
) -> None:
    steps()
    (steps.folder / 'b.txt').write_text('torch==2')
    steps.failing = 'b'
    with pytest.raises(KeyboardInterrupt):
        steps()
    steps.failing = ''
    (steps.folder / 'b.txt').write_text('torch==1')
    assert steps() == ['b']


def test_other_python_redoes_everything(steps: Steps) -> None:
    steps('3.11')
    assert steps('3.12') == ['a', 'b', 'c']


def test_files_of_the_steps_exist(environment: Any) -> None:
    files = [name for step in environment.steps() for name in step.files]
    assert 'requirements/build.txt' in files
    assert all((REPO / name).is_file() for name in files)


@pytest.mark.parametrize(
    ('stack', 'operators', 'early', 'headless'),
    [
        ('onedl', 'onedl-mmcv==2.3.6', (), '4.13'),
        ('openmmlab', 'mmcv==2.1.0', ('numpy<2',), '4.12'),
    ],
)
def test_each_stack_brings_its_own_packages(
    environment: Any,
    tmp_path: Path,
    stack: str,
    operators: str,
    early: tuple[str, ...],
    headless: str,
) -> None:
    found = type(environment)(tmp_path, stack)
    found.install_build()
    found.install_operators()
    found.install_package()
    found.errors['import cv2'] = 'libGL.so.1: cannot open shared object file'
    found.check_opencv()
    build, compiled, package, opencv = found.installs
    assert build == ('-r', 'requirements/build.txt', *early)
    assert compiled[-1] == operators
    assert package[-1].startswith(f'.[{stack},')
    assert opencv[-1] == f'opencv-python-headless<{headless}'
    files = [name for step in found.steps() for name in step.files]
    assert f'requirements/{stack}.txt' in files
    assert all((REPO / name).is_file() for name in files)


def test_make_puts_each_stack_in_its_own_folder() -> None:
    for option, expected in (
        ([], '.venv" --stack "onedl"'),
        (['STACK=openmmlab'], '.venv-openmmlab" --stack "openmmlab"'),
        (['STACK=openmmlab', 'VENV=x'], 'x" --stack "openmmlab"'),
    ):
        done = subprocess.run(
            ['make', '-n', 'test', *option],
            cwd=REPO,
            capture_output=True,
            text=True,
            check=True,
        )
        assert f'tools/dev/setup_env.py --venv "{expected}' in done.stdout


def test_missing_compiler_and_headers_are_named_at_once(
    setup_env: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('CXX', raising=False)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setattr(
        sysconfig, 'get_paths', lambda: dict(include=str(tmp_path))
    )
    with pytest.raises(setup_env.SetupError) as caught:
        setup_env.check_compiler()
    message = str(caught.value)
    assert 'apt-get install g++' in message
    assert f'{tmp_path}/Python.h' in message
    assert f'apt-get install {setup_env.python_name()}-dev' in message


def test_compiler_of_the_environment_variable(
    setup_env: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'Python.h').touch()
    monkeypatch.setattr(
        sysconfig, 'get_paths', lambda: dict(include=str(tmp_path))
    )
    monkeypatch.setenv('CXX', 'no-such-compiler -m64')
    with pytest.raises(setup_env.SetupError, match='no-such-compiler '):
        setup_env.check_compiler()
    monkeypatch.setenv('CXX', f'{sys.executable} -m64')
    setup_env.check_compiler()


@pytest.mark.parametrize('version', [(3, 9, 18), (3, 13, 0)])
def test_unfit_python_is_refused(
    setup_env: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, int, int],
) -> None:
    monkeypatch.setattr(sys, 'version_info', version)
    with pytest.raises(setup_env.SetupError, match='Python 3.10, 3.11 or'):
        setup_env.check_python()


def test_python_without_ensurepip_is_refused(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: name != 'ensurepip' or None
    )
    with pytest.raises(setup_env.SetupError) as caught:
        setup_env.check_python()
    package = f'{setup_env.python_name()}-venv'
    assert f'apt-get install {package}' in str(caught.value)


def test_environment_of_another_python_is_refused(
    setup_env: ModuleType, environment: Any
) -> None:
    environment.check_version()  # there is none yet
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    with pytest.raises(setup_env.SetupError, match='Remove it first'):
        environment.check_version()


def test_operators_are_built_from_source_with_the_chosen_jobs(
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv('MAX_JOBS', '3')
    environment.install_operators()
    assert environment.installs == [
        ('--no-build-isolation', '--no-deps', 'onedl-mmcv==2.3.6')
    ]
    assert environment.jobs == ['3']
    assert 'about 10 minutes on 2 cores' in capsys.readouterr().out


def test_jobs_fit_the_memory(
    setup_env: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('MAX_JOBS', raising=False)
    monkeypatch.setattr('os.sched_getaffinity', lambda pid: set(range(64)))
    monkeypatch.setattr(
        'os.sysconf', {'SC_PAGE_SIZE': 4096, 'SC_PHYS_PAGES': 10**6}.get
    )
    assert setup_env.count_jobs() == '2'  # 4.1 GB, 1.5 GB a process
    monkeypatch.setattr('os.sched_getaffinity', lambda pid: {0})
    assert setup_env.count_jobs() == '1'


def test_gpu_without_nvcc_is_refused_before_compiling(
    setup_env: ModuleType, environment: Any
) -> None:
    environment.gpu_without_nvcc = '1'
    with pytest.raises(setup_env.SetupError, match='no nvcc'):
        environment.install_operators()
    assert environment.installs == []


def test_operators_that_do_not_fit_are_compiled_anew(
    setup_env: ModuleType, environment: Any
) -> None:
    environment.errors[setup_env.PROBE_OPERATORS] = (
        'Traceback\nImportError: undefined symbol'
    )
    environment.check()
    ((*options, requirement),) = environment.installs
    assert requirement == 'onedl-mmcv==2.3.6'
    assert {'--force-reinstall', '--no-cache-dir', '--no-binary'} <= set(
        options
    )


def test_stack_that_does_not_import_fails_the_set_up(
    setup_env: ModuleType, environment: Any
) -> None:
    environment.errors[setup_env.PROBE_STACK] = 'ImportError: mmada needs'
    with pytest.raises(setup_env.SetupError, match='mmada needs'):
        environment.check()


def test_probes_pass_here(setup_env: ModuleType, tmp_path: Path) -> None:
    environment = setup_env.Environment(tmp_path)
    environment.python = Path(sys.executable)
    assert environment.try_python(setup_env.PROBE_OPERATORS) == ''
    assert environment.try_python(setup_env.PROBE_STACK) == ''
    assert environment.output(setup_env.PROBE_CUDA) in '01'


def test_opencv_without_libgl_gets_the_headless_build(
    environment: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.check_opencv()
    assert environment.installs == []
    environment.errors['import cv2'] = (
        'ImportError: libGL.so.1: cannot open shared object file: No such file'
    )
    environment.check_opencv()
    assert environment.installs[0][-1] == 'opencv-python-headless<4.13'
    assert 'apt-get install libgl1' in capsys.readouterr().out


def test_make_without_any_python_says_so() -> None:
    done = subprocess.run(
        ['make', 'env', 'PYTHON='],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert 'no Python 3.10, 3.11 or 3.12 found' in done.stderr


def test_makers_need_more_than_users(
    environment: Any, setup_env: ModuleType
) -> None:
    steps = environment.steps()
    for_users = setup_env.Environment(environment.folder, for_users=True)
    assert [s.name for s in steps[:-1]] == [s.name for s in for_users.steps()]
    environment.install_package()
    steps[-1].run()
    users, makers = (package for *_, package in environment.installs)
    assert users == '.[onedl,report]'
    extras = 'onedl,report,mmseg,torchjd,search,camvid,tests,lint,docs,release'
    assert makers == f'.[{extras}]'


def test_the_demo_installs_what_users_need_and_make_alone_helps() -> None:
    demo, plain = (
        subprocess.run(
            ['make', '-n', *target],
            cwd=REPO,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for target in (['demo'], [])
    )
    assert '--for-users' in demo
    assert 'setup_env.py' not in plain
    shown = subprocess.run(
        ['make'], cwd=REPO, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r'^make demo +\S', shown, re.MULTILINE)


def test_mmsegmentation_brings_no_torch_and_no_operators_of_its_own() -> None:
    pytest.importorskip('mmseg', reason='[mmseg] is not installed')
    wanted = metadata.requires('onedl-mmsegmentation') or []
    names = {
        re.split(r'[^\w.-]', line)[0] for line in wanted if 'extra' not in line
    }
    assert 'prettytable' in names
    assert not {x for x in names if re.match('torch|(onedl-)?mm', x)}
