"""Bad input ends a command with one line and the exit code 2."""

from __future__ import annotations

import pytest

from tests.test_tools.shell import TOOLS


@pytest.fixture
def bad_input(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import bad_input

    return bad_input


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (ValueError('n should be 1,\nfound 2'), 'n should be 1, found 2'),
        (FileNotFoundError(2, 'No file', 'x'), "[Errno 2] No file: 'x'"),
        (KeyError('no such type'), 'no such type'),
    ],
)
def test_bad_input_is_one_line(bad_input, capsys, error, line):
    with (
        pytest.raises(SystemExit, match='2'),
        bad_input.one_line_errors('tool', KeyError),
    ):
        raise error
    assert capsys.readouterr().err == f'tool: error: {line}\n'


def test_a_fault_of_the_program_keeps_its_traceback(bad_input):
    with (
        pytest.raises(KeyError, match='fault'),
        bad_input.one_line_errors('tool'),
    ):
        raise KeyError('fault')


@pytest.mark.parametrize('text', ['x = (', 'x = y'])
def test_a_config_that_cannot_be_read_is_named(bad_input, tmp_path, text):
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'{path} should be a config, found'):
        bad_input.read_config(path)


def test_a_config_that_is_not_there(bad_input, tmp_path):
    with pytest.raises(FileNotFoundError, match='none.py'):
        bad_input.read_config(tmp_path / 'none.py')
