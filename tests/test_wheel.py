"""What a release holds, built as one is: the archive, and the wheel of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import mmengine
import pytest
import yaml
from mmengine.config import Config
from mmengine.fileio import load

from tests.test_commands.test_adapt.tiny import (
    shrink,
    two_iterations,
    write_images,
)

REPO = Path(__file__).resolve().parents[1]
SOURCES = (
    'mmada',
    'mmada_cli.py',
    'configs',
    'tools',
    'requirements',
    'setup.py',
    'setup.cfg',
    'pyproject.toml',
    'MANIFEST.in',
    'LICENSE',
    'README.md',
    'model-index.yml',
)


def build(folder: Path, kind: str) -> Path:
    """Builds the archive ('sdist') or the wheel of a folder."""
    script = (
        f'from setuptools import build_meta\nbuild_meta.build_{kind}("dist")'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    (built,) = (folder / 'dist').iterdir()
    return built


def files(folder: Path) -> set[str]:
    """Names of the files of a folder that git would not ignore."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob('*')
        if path.is_file() and path.suffix != '.pyc'
    }


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's package, as pip would put it into an environment."""
    folder = tmp_path_factory.mktemp('release')
    ignore = shutil.ignore_patterns('__pycache__')
    for name in SOURCES:
        if (REPO / name).is_dir():
            shutil.copytree(REPO / name, folder / name, ignore=ignore)
        else:
            shutil.copy2(REPO / name, folder / name)
    with tarfile.open(build(folder, 'sdist')) as archive:
        archive.extractall(folder / 'unpacked', filter='data')
    (unpacked,) = (folder / 'unpacked').iterdir()
    with zipfile.ZipFile(build(unpacked, 'wheel')) as wheel:
        wheel.extractall(folder / 'site-packages')
    return folder / 'site-packages' / 'mmada'


def test_mim_finds_configs_tools_and_the_model_index(installed: Path) -> None:
    for name in ('configs', 'tools'):
        assert files(installed / '.mim' / name) == files(REPO / name)
    assert (installed / '.mim/tools/train.py').is_file()


def test_the_package_is_whole(installed: Path) -> None:
    found = {f for f in files(installed) if not f.startswith('.mim')}
    assert found == files(REPO / 'mmada')


def test_mim_infers_the_module_of_the_distribution(installed: Path) -> None:
    (info,) = installed.parent.glob('mmada-*.dist-info')
    names = (info / 'top_level.txt').read_text().splitlines()
    assert names == ['mmada', 'mmada_cli']  # it takes the first
    assert 'Requires-Dist: torch' in (info / 'METADATA').read_text()


def test_the_licence_is_that_of_openmmlab(installed: Path) -> None:
    (info,) = installed.parent.glob('mmada-*.dist-info')
    (path,) = info.rglob('LICENSE')
    assert path.read_text() == (REPO / 'LICENSE').read_text()
    assert 'Apache License' in path.read_text()
    assert '\nLicense: Apache-2.0\n' in (info / 'METADATA').read_text()


def test_the_citation_names_the_papers_of_the_model_index() -> None:
    citation = yaml.safe_load((REPO / 'CITATION.cff').read_text())
    imported = load(REPO / 'model-index.yml')['Import']
    papers = {
        collection['Paper']['Title']
        for name in imported
        for collection in load(REPO / name)['Collections']
    }
    assert {r['title'] for r in citation['references']} == papers
    assert len(papers) == 2
    assert citation['license'] == 'Apache-2.0'


def test_a_config_of_the_wheel_is_whole(installed: Path) -> None:
    path = '.mim/configs/ada/cascade_panoptic_tiny_scenes.py'
    theirs = Config.fromfile(installed / path)
    ours = Config.fromfile(REPO / path.removeprefix('.mim/'))
    assert theirs.train_cfg == ours.train_cfg


def test_an_installed_package_has_no_second_config_of_a_name() -> None:
    """`mim train mmada NAME` wants one file of that name."""
    names = [
        path.name
        for path in (REPO / 'configs').rglob('*.py')
        if '_base_' not in path.parts
    ]
    assert len(names) == len(set(names)) > 50


def test_the_model_index_names_what_there_is() -> None:
    imported = load(REPO / 'model-index.yml')['Import']
    metafiles = [load(REPO / name) for name in imported]
    collections = [c['Name'] for m in metafiles for c in m['Collections']]
    models = [model for m in metafiles for model in m['Models']]
    assert len({model['Name'] for model in models}) == len(models) > 10
    for model in models:
        assert (REPO / model['Config']).stem == model['Name']
        assert (REPO / model['Config']).is_file()
        assert model['In Collection'] in collections
    for collection in (c for m in metafiles for c in m['Collections']):
        assert (REPO / collection['README']).is_file()


@pytest.fixture(scope='module')
def environment(
    installed: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An environment with the wheel alone, beside the stack of this one."""
    folder = tmp_path_factory.mktemp('environment')
    venv.create(folder, symlinks=True)
    python = folder / 'bin' / 'python'
    (wheel,) = installed.parents[1].glob('unpacked/*/dist/*.whl')
    pip = [sys.executable, '-m', 'pip', '--python', str(python), 'install']
    subprocess.run([*pip, '-q', '--no-deps', '--no-index', wheel], check=True)
    (site_packages,) = folder.glob('lib/*/site-packages')
    # What is in a folder that a .pth names, but not the .pth files in it: the
    # checkout, where it is installed there, stays out.
    stack = Path(str(mmengine.__file__)).parents[1]
    (site_packages / 'stack.pth').write_text(f'{stack}\n')
    return folder


@pytest.mark.slow
def test_the_wheel_alone_adapts_trains_and_reports(
    environment: Path, tmp_path: Path
) -> None:
    """Without the repository: from a stock config to the page on its run."""
    pytest.importorskip('plotly')
    pytest.importorskip('jinja2')
    environ = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}

    def call(*words: str) -> str:
        done = subprocess.run(
            [environment / 'bin' / words[0], *words[1:]],
            cwd=tmp_path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    write_images(tmp_path)
    stock = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
    said = call('mmada', 'adapt', stock, '-o', 'mine.py')
    assert 'Each loss is an objective: loss_cls, loss_bbox.' in said
    # The sizes are those of the tests; the rest is what was written.
    cfg = Config.fromfile(tmp_path / 'mine.py')
    shrink(cfg)
    two_iterations(cfg)
    cfg.dump(tmp_path / 'tiny.py')
    call('mmada', 'train', 'tiny.py', '--work-dir', 'run')
    assert (tmp_path / 'run' / 'weights.jsonl').is_file()
    assert 'run/report/report.html' in call('mmada', 'report', 'run')
    where = 'from mmada.commands.demo.demo import ROOT; print(ROOT)'
    root = Path(call('python', '-c', where).splitlines()[-1])
    assert environment in root.parents
    assert (root / 'configs/baselines').is_dir()
