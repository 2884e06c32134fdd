"""Each message of the stack check, as a fresh interpreter shows it.

The interpreters run without site-packages (``-S``): what they find is this
package and the stand-ins that a test writes, whatever is installed here.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mmada

REPO = Path(__file__).resolve().parents[1]

GOOD = {
    'torch': '',
    'mmengine': '',
    'mmcv': '',
    'mmcv._ext': '',
    'mmdet': '',
    'mmdet.datasets': '',
    'mmdet.evaluation': '',
}
ONEDL = {
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmdetection': '3.5.1',
}
INSTALL_LINES = (
    'pip install torch==2.13.0 ninja wheel "setuptools<81" numpy\n',
    'pip install --no-build-isolation --no-deps onedl-mmcv==2.3.6\n',
    'pip install "mmada[onedl]"',
    'pip install --no-build-isolation --no-deps mmcv==2.1.0\n',
    'pip install "mmada[openmmlab]"',
)


def write_stack(
    folder: Path, modules: dict[str, str], distributions: dict[str, str]
) -> None:
    """Stand-in packages with a given source, and what pip would record."""
    for name, source in modules.items():
        package = folder / name.replace('.', '/')
        package.mkdir(parents=True)
        (package / '__init__.py').write_text(source)
    for name, version in distributions.items():
        info = folder / f'{name.replace("-", "_")}-{version}.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(
            f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
        )


def import_error(folder: Path) -> str:
    """What ``import mmada`` raises where only ``folder`` is installed."""
    script = (
        'import sys\n'
        f'sys.path[:0] = [{str(folder)!r}, {str(REPO)!r}]\n'
        'try:\n'
        '    import mmada\n'
        'except ImportError as error:\n'
        '    print(error)\n'
    )
    done = subprocess.run(
        [sys.executable, '-S', '-E', '-c', script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_real_stack_imports() -> None:
    assert mmada.LoadPanopticAnnotations.__name__ == 'LoadPanopticAnnotations'
    assert mmada.__version__.count('.') == 2


def test_import_prints_nothing() -> None:
    """Neither what mmdet lacks nor anything else."""
    done = subprocess.run(
        [sys.executable, '-c', 'import mmada'],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    assert done.stdout == ''


def test_other_output_of_the_stack_is_passed_on(tmp_path: Path) -> None:
    said = (
        "print('Could not import OneDL. Skipping OneDL datasets.')\n"
        "print('of mmdet')\n"
        'import sys, warnings\n'
        "warnings.warn('faster_coco_eval is not installed, and more')\n"
        "warnings.warn('of another')\n"
        'print(sys.stdout is sys.__stdout__, file=sys.stderr)\n'
    )
    write_stack(tmp_path, {**GOOD, 'mmdet.datasets': said}, ONEDL)
    script = (
        f'import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(REPO)!r}]\n'
        'from mmada import _stack\n'
    )
    done = subprocess.run(
        [sys.executable, '-S', '-E', '-c', script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == 'of mmdet\n'
    assert 'of another' in done.stderr
    assert 'faster_coco_eval' not in done.stderr


def test_no_stack_names_both_installations(tmp_path: Path) -> None:
    write_stack(tmp_path, {'torch': ''}, {})
    message = import_error(tmp_path)
    assert 'needs mmengine, which is not installed' in message
    assert 'Found: none of its parts.' in message
    for line in INSTALL_LINES:
        assert line in message


@pytest.mark.parametrize(
    ('file', 'package'),
    [('build', 'torch'), ('onedl', 'onedl-mmcv'), ('openmmlab', 'mmcv')],
)
def test_message_names_the_versions_of_the_requirements(
    tmp_path: Path, file: str, package: str
) -> None:
    lines = (REPO / f'requirements/{file}.txt').read_text().splitlines()
    (pinned,) = [line for line in lines if line.startswith(f'{package}==')]
    assert f' {pinned}' in import_error(tmp_path)


@pytest.mark.parametrize('missing', ['torch', 'mmengine', 'mmcv', 'mmdet'])
def test_missing_part_is_named(tmp_path: Path, missing: str) -> None:
    modules = {
        name: source
        for name, source in GOOD.items()
        if name.split('.')[0] != missing
    }
    write_stack(tmp_path, modules, {'onedl-mmengine': '0.10.12'})
    message = import_error(tmp_path)
    assert f'mmada needs {missing}, which is not installed' in message
    assert 'Found: onedl-mmengine 0.10.12.' in message


@pytest.mark.parametrize(
    ('distributions', 'requirement'),
    [(ONEDL, 'onedl-mmcv==2.3.6'), ({'mmcv-lite': '2.1.0'}, 'mmcv==2.1.0')],
)
def test_mmcv_without_operators(
    tmp_path: Path, distributions: dict[str, str], requirement: str
) -> None:
    modules = {k: v for k, v in GOOD.items() if k != 'mmcv._ext'}
    write_stack(tmp_path, modules, distributions)
    message = import_error(tmp_path)
    assert 'compiled operators of mmcv, which are not installed.' in message
    assert f'--no-cache-dir {requirement}\n' in message


def test_operators_of_another_torch(tmp_path: Path) -> None:
    broken = "raise ImportError('_ext.so: undefined symbol: _ZN3c10')"
    write_stack(tmp_path, {**GOOD, 'mmcv._ext': broken}, ONEDL)
    message = import_error(tmp_path)
    assert 'which are broken: _ext.so: undefined symbol' in message
    assert '--force-reinstall' in message


def test_mmdet_that_refuses_mmcv_is_a_mix(tmp_path: Path) -> None:
    refusal = "assert False, 'MMCV==2.3.6 is used but incompatible.'"
    found = {'onedl-mmcv': '2.3.6', 'mmengine': '0.10.7', 'mmdet': '3.3.0'}
    write_stack(tmp_path, {**GOOD, 'mmdet': refusal}, found)
    message = import_error(tmp_path)
    assert 'cannot use this mix of packages: mmdet refuses' in message
    assert 'MMCV==2.3.6 is used but incompatible.' in message
    assert 'pip uninstall -y onedl-mmcv mmengine mmdet\n' in message
    assert INSTALL_LINES[1] in message


def test_two_owners_of_one_import_name(tmp_path: Path) -> None:
    write_stack(tmp_path, GOOD, {**ONEDL, 'mmengine': '0.10.7'})
    message = import_error(tmp_path)
    assert 'mmengine: onedl-mmengine 0.10.12 and mmengine 0.10.7' in message
    assert (
        'pip uninstall -y onedl-mmengine onedl-mmcv onedl-mmdetection '
        'mmengine\n' in message
    )


@pytest.mark.parametrize(
    ('library', 'package'),
    [('libGL.so.1', 'libgl1'), ('libgthread-2.0.so.0', 'libglib2.0-0')],
)
def test_missing_system_library(
    tmp_path: Path, library: str, package: str
) -> None:
    broken = (
        f"raise ImportError('{library}: cannot open shared object file: "
        "No such file or directory')"
    )
    write_stack(tmp_path, {**GOOD, 'mmcv': broken}, ONEDL)
    message = import_error(tmp_path)
    assert f'system library {library}' in message
    assert f'apt-get install {package}\n' in message
    assert 'opencv-python-headless' in message


def test_part_that_breaks_for_another_reason(tmp_path: Path) -> None:
    write_stack(tmp_path, {**GOOD, 'mmcv': 'import cv2'}, ONEDL)
    message = import_error(tmp_path)
    assert (
        "mmada needs mmcv, which is broken: No module named 'cv2'" in message
    )
