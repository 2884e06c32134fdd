"""Bad input ends a command with one line and the exit code 2."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys

import pytest

from mmada.commands import common
from tests.support.scripts import TOOLS


@pytest.mark.parametrize('script', ['check_data', 'inspect_policy'])
def test_nothing_but_json_is_on_standard_output(script, tmp_path):
    command = [sys.executable, f'{TOOLS}/{script}.py', '--json']
    done = subprocess.run(
        [*command, str(tmp_path / 'none')],
        cwd=TOOLS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ''


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (ValueError('n should be 1,\nfound 2'), 'n should be 1, found 2'),
        (FileNotFoundError(2, 'No file', 'x'), "[Errno 2] No file: 'x'"),
        (KeyError('no such type'), 'no such type'),
    ],
)
def test_bad_input_is_one_line(capsys, error, line):
    with (
        pytest.raises(SystemExit, match='2'),
        common.one_line_errors('tool', KeyError),
    ):
        raise error
    assert capsys.readouterr().err == f'tool: error: {line}\n'


def test_a_fault_of_the_program_keeps_its_traceback():
    with (
        pytest.raises(KeyError, match='fault'),
        common.one_line_errors('tool'),
    ):
        raise KeyError('fault')


@pytest.mark.parametrize('text', ['x = (', 'x = y'])
def test_a_config_that_cannot_be_read_is_named(tmp_path, text):
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'{path} should be a config. Found'):
        common.read_config(path)


def test_a_part_of_a_config_that_is_no_dict_is_named(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('test_dataloader = 5')
    with pytest.raises(ValueError, match='`test_dataloader` .*dict. Found 5'):
        common.read_config(path)


def test_a_file_that_is_no_config_is_named(tmp_path):
    path = tmp_path / 'epoch_12.pth'
    path.touch()
    with pytest.raises(ValueError, match=f'{path} should be a config, which'):
        common.read_config(path)


def test_a_config_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.py'):
        common.read_config(tmp_path / 'none.py')


@pytest.mark.parametrize(
    ('script', 'arguments', 'message'),
    [
        ('train', ['none.py'], 'Found nothing at none.py'),
        ('train', ['broken.py'], 'broken.py should be a config. Found'),
        ('train', ['good.py', '--cfg-options', 'x.5=1'], 'Index 5 exceeds'),
        (
            'train',
            ['good.py', '--resume', 'none.pth'],
            'Found nothing at none.pth',
        ),
        ('train', ['good.py'], 'good.py should have a `model`, a dict. Found'),
        ('test', ['good.py', 'none.pth'], 'Found nothing at none.pth'),
        ('test', ['good.py', 'good.py'], 'good.py should have a `model`, a d'),
    ],
)
def test_what_a_run_cannot_be_started_with_is_named(
    tmp_path, monkeypatch, capsys, script, arguments, message
):
    (tmp_path / 'good.py').write_text('x = [1]')
    (tmp_path / 'broken.py').write_text('x = (')
    main = runpy.run_path(str(TOOLS / f'{script}.py'))['main']
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [f'{script}.py', *arguments])
    with pytest.raises(SystemExit, match='2'):
        main()
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.match(rf'{script}(\.py)?: error: ', error)
    assert message in error
