"""Each script as a command: it starts, and says what it has to say alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import processes, scripts

# The others are started as commands by the tests of what they do.
STARTED_HERE = (
    'check_data.py',
    'check_reward.py',
    'convert_ade20k_panoptic.py',
    'convert_camvid_panoptic.py',
    'format_panoptic.py',
    'make_scenes.py',
    'report.py',
)
COMMANDS = sorted(
    path.name
    for path in scripts.TOOLS.glob('*.py')
    if "__name__ == '__main__'" in path.read_text()
)


@pytest.mark.parametrize('name', COMMANDS)
def test_help_is_all_that_is_printed(name: str) -> None:
    """Nothing comes before it: no warning and no notice of the stack."""
    if name in STARTED_HERE:
        done = subprocess.run(
            [sys.executable, str(scripts.TOOLS / name), '--help'],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        output = done.stdout
    else:
        (output,) = processes.run(scripts.call, 1, name, '--help')
    assert output.startswith(f'usage: {name} ')
    last = output.splitlines()[-1]
    assert last.startswith(' ') or not last, output


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 12
    assert set(STARTED_HERE) < set(COMMANDS)
