"""The command line: at once, one example a command, the scripts' own names."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mmada_cli
from mmada.commands.arguments import ConfigOverrides
from mmada.commands.command_line import COMMANDS, main
from tests.test_docs.commands import problem_of, split_commands
from tests.test_docs.pages import read_blocks

REPO = Path(mmada_cli.__file__).parent
# Says on standard error which of the slow packages were imported.
SCRIPT = """
import sys, mmada_cli
try:
    mmada_cli.main()
finally:
    print({'torch', 'mmada', 'mmengine'} & set(sys.modules), file=sys.stderr)
"""


def console(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Calls the console script, which no environment need have installed."""
    return subprocess.run(
        [sys.executable, '-c', SCRIPT, *arguments],
        cwd=REPO,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize('name', COMMANDS)
def test_help_needs_no_package(name: str) -> None:
    began = time.monotonic()
    done = console(name, '--help')
    seconds = time.monotonic() - began
    assert done.returncode == 0
    assert done.stdout.startswith(f'usage: mmada {name} ')
    assert done.stderr == 'set()\n'
    # Not a measurement: a package that is imported takes more than this.
    assert seconds < 2, seconds


def test_what_is_mistyped_is_answered_without_the_package() -> None:
    done = console('trian')
    assert done.returncode == 2
    assert "invalid choice: 'trian'" in done.stderr
    done = console('report', 'run', '--images', '-1')
    assert done.returncode == 2
    assert '--images should not be negative. Found -1.' in done.stderr
    assert done.stderr.endswith('set()\n')


def test_the_list_has_a_line_for_each_command() -> None:
    done = console('--help')
    for name, command in COMMANDS.items():
        words = ' '.join(done.stdout.split())
        assert f' {name} {" ".join(command.summary.split())}' in words


@pytest.mark.parametrize('name', COMMANDS)
def test_a_command_has_an_example_that_fits(name: str) -> None:
    text = COMMANDS[name].options['description']
    _, _, examples = re.split(r'^(examples?:)\n', text, flags=re.M)
    for command in split_commands(examples):
        assert command.startswith(f'mmada {name} ')
        assert problem_of(command) == ''


def test_a_command_runs_and_names_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['verify', str(tmp_path)]) == 0
    assert 'There is nothing to resume.' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='2'):
        main(['verify', str(tmp_path / 'none')])
    assert capsys.readouterr().err.startswith('mmada verify: error: ')


def test_the_module_is_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'mmada', 'verify', str(tmp_path / 'none')],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith('mmada verify: error: ')


def test_overrides_of_a_config_are_those_of_mmengine() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOverrides)
    args = parser.parse_args(['--cfg-options', 'a.b=0.5', 'c=[1,2]', 'd=x'])
    assert args.cfg_options == {'a.b': 0.5, 'c': [1, 2], 'd': 'x'}


def test_the_page_lists_all_commands_and_what_calls_them() -> None:
    page = (REPO / 'docs/commands.md').read_text()
    rows = re.findall(
        r'^\| `([\w-]+)` +\|.*\| +(?:`(\w+\.py)`)? +\|$', page, re.M
    )
    scripts = {
        found[1]: path.name
        for path in (REPO / 'tools').glob('*.py')
        if (found := re.search(r"run_script\('(.+?)'", path.read_text()))
    }
    assert rows == [(name, scripts.get(name, '')) for name in COMMANDS]
    blocks = read_blocks(REPO / 'docs/commands.md')
    examples = [c for b in blocks for c in split_commands(b.text)]
    shown = [c.split()[1] for c in examples if c.startswith('mmada ')]
    assert shown == list(COMMANDS)
