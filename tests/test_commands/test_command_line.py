"""The command line: at once, one example a command, the scripts' own names."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import mmada_cli
from mmada.commands.argument_types import at_least, checkpoint
from mmada.commands.arguments import ConfigOverrides
from mmada.commands.command_line import COMMANDS, main
from mmada.policies.policy_file import save_policy
from tests.test_docs.commands import problem_of, split_commands
from tests.test_docs.pages import read_blocks
from tests.test_policies.test_ensemble import ensemble

REPO = Path(mmada_cli.__file__).parent
RETINANET = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
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
    done = console('report', 'docs', '--images', '-1')
    assert done.returncode == 2
    assert '--images: should be at least 0. Found -1.' in done.stderr
    assert done.stderr.endswith('set()\n')


@pytest.mark.parametrize(
    ('words', 'prog'),
    [
        ('diagnose setup.py --num', 'mmada diagnose'),
        ('--num', 'mmada'),
    ],
)
def test_an_option_that_is_not_there_is_shown_with_those_that_are(
    words: str, prog: str
) -> None:
    done = console(*words.split())
    assert done.returncode == 2
    assert done.stderr.startswith(f'usage: {prog} [-h] ')
    *_, last = done.stderr.removesuffix('set()\n').splitlines()
    assert last == f'{prog}: error: unrecognized arguments: --num'


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('adapt mmdet::none/none.py -o new.py', 'STOCK_CONFIG: should be one'),
        ('adapt none.py -o new.py', f'such as {RETINANET}. Found nothing at'),
        (f'adapt {RETINANET} -o setup.py', 'Found setup.py, which exists.'),
        ('train none.py', 'config: should be an existing file. Found nothing'),
        ('test none.py none.pth', 'argument config: should be'),
        ('train setup.py --work-dir setup.py/a', 'new or not. Found the file'),
        ('train setup.py --cfg-options a', 'should be KEY=VALUE, without bl'),
        ('train setup.py --cfg-options a=1 =2', 'without blanks. Found =2.'),
        ('test setup.py none.pth', 'checkpoint: should be an existing file.'),
        ('plan docs', 'config: should be an existing file. Found the dir'),
        ('diagnose none.py', 'argument config: should be an existing file.'),
        ('inspect none.safetensors', 'argument file: should be an existing'),
        ('check-data a.json b c', 'paths: should be an existing path. Found'),
        ('check-reward setup.py none.pth', 'CHECKPOINT: should be an exist'),
        ('split none.json', 'ANN_FILE_OR_CONFIG: should be an existing file.'),
        ('verify none', 'work_dir: should be the directory of a run. Found n'),
        ('report setup.py', 'work_dir: should be the directory of a run.'),
        ('report docs --compare none', '--compare: should be the directory'),
    ],
)
def test_what_is_not_there_is_named_without_the_package(
    words: str, message: str
) -> None:
    done = console(*words.split())
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.endswith('set()\n')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            '--reward coco/bbox_mAP',
            '`--method` should be a search where a reward or GPUs are given. '
            "Found 'inverse-loss'.",
        ),
        (
            '--method dwa --gpus 1',
            '`--method` should be a search where a reward or GPUs are given. '
            "Found 'dwa'.",
        ),
        (
            '--method policy',
            '`--policy FILE` should be given with `--method policy`, and only '
            "with it. Found none and the method 'policy'.",
        ),
        (
            '--policy setup.py',
            '`--policy FILE` should be given with `--method policy`, and only '
            "with it. Found setup.py and the method 'inverse-loss'.",
        ),
    ],
)
def test_options_of_another_method_are_named_without_the_package(
    options: str, message: str
) -> None:
    done = console('adapt', RETINANET, '-o', 'new.py', *options.split())
    assert done.returncode == 2
    *_, last = done.stderr.removesuffix('set()\n').splitlines()
    assert last == f'mmada adapt: error: {message}'
    assert done.stderr.endswith('set()\n')


@pytest.mark.parametrize(
    ('kind', 'text', 'message'),
    [
        (int, '1', 'should be at least 2. Found 1.'),
        (int, '2.5', 'should be an integer. Found 2.5.'),
        (float, 'nan', 'should be at least 2. Found nan.'),
        (float, 'x', 'should be a number. Found x.'),
    ],
)
def test_a_number_is_of_its_kind_and_large_enough(
    kind: type, text: str, message: str
) -> None:
    parse = at_least(2, kind)
    assert parse('2') == 2
    with pytest.raises(argparse.ArgumentTypeError) as error:
        parse(text)
    assert str(error.value) == message


def test_a_policy_is_no_checkpoint(tmp_path: Path) -> None:
    policy = tmp_path / 'policy.safetensors'
    save_policy(policy, ensemble(1.0).named(('a', 'b')))
    with pytest.raises(argparse.ArgumentTypeError, match='the policy file'):
        checkpoint(str(policy))
    policy.write_bytes(b'')
    with pytest.raises(argparse.ArgumentTypeError, match='the empty file'):
        checkpoint(str(policy))
    torch.save({}, tmp_path / 'mmada_policy.pth')
    assert checkpoint(str(tmp_path / 'mmada_policy.pth'))


def test_an_address_is_no_file_that_could_be_missing() -> None:
    parser = argparse.ArgumentParser()
    COMMANDS['test'].add_arguments(parser)
    args = parser.parse_args([__file__, 'https://x.org/a.pth'])
    assert args.checkpoint == 'https://x.org/a.pth'


def test_a_command_that_is_silent_for_long_says_so_first() -> None:
    done = console('plan', 'setup.py')  # no config of a search
    assert done.stdout == ''
    assert done.stderr.startswith('Building model and data sets, ')


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
    assert '\nmmada verify: error: ' in capsys.readouterr().err


def test_the_module_is_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'mmada', 'verify', str(tmp_path / 'none')],
        cwd=REPO,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert '\nmmada verify: error: ' in done.stderr


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


@pytest.mark.parametrize(
    ('words', 'unbuffered'),
    [
        (['-m', 'mmada', 'split', 'ann.json'], '1'),
        (['-c', SCRIPT, 'plan', '--help'], ''),
        (['tools/benchmarks/simulate_slope_search.py', '--searches=1'], ''),
        (['tools/benchmarks/speed/replica_switch.py', '--quick'], '1'),
    ],
)
def test_a_reader_that_ends_early_is_no_error(
    tmp_path: Path, words: list[str], unbuffered: str
) -> None:
    ann_file = tmp_path / 'ann.json'
    images = [dict(id=i, file_name=f'{i}.jpg') for i in range(500)]
    empty = dict(annotations=[], categories=[])
    ann_file.write_text(json.dumps(dict(images=images, **empty)))
    words = [str(ann_file) if word == 'ann.json' else word for word in words]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=REPO,
        env=os.environ | dict(PYTHONUNBUFFERED=unbuffered),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr in ('', 'set()\n')  # what was imported, of SCRIPT
