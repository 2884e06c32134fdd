"""Bad input ends a command with one line and the exit code 2."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.scripts import TOOLS, load


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


@pytest.fixture
def common():
    return load('common.py')


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (ValueError('n should be 1,\nfound 2'), 'n should be 1, found 2'),
        (FileNotFoundError(2, 'No file', 'x'), "[Errno 2] No file: 'x'"),
        (KeyError('no such type'), 'no such type'),
    ],
)
def test_bad_input_is_one_line(common, capsys, error, line):
    with (
        pytest.raises(SystemExit, match='2'),
        common.one_line_errors('tool', KeyError),
    ):
        raise error
    assert capsys.readouterr().err == f'tool: error: {line}\n'


def test_a_fault_of_the_program_keeps_its_traceback(common):
    with (
        pytest.raises(KeyError, match='fault'),
        common.one_line_errors('tool'),
    ):
        raise KeyError('fault')


@pytest.mark.parametrize('text', ['x = (', 'x = y'])
def test_a_config_that_cannot_be_read_is_named(common, tmp_path, text):
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'{path} should be a config. Found'):
        common.read_config(path)


def test_a_config_that_is_not_there(common, tmp_path):
    with pytest.raises(FileNotFoundError, match='none.py'):
        common.read_config(tmp_path / 'none.py')
