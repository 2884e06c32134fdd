"""tools/make_scenes.py: made, reused, refused."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.scripts import exit_code, load


@pytest.fixture
def run(capsys):
    make_scenes = load('make_scenes.py')

    def run(*arguments):
        code = exit_code(make_scenes.main, [str(a) for a in arguments])
        return code, *capsys.readouterr()

    return run


def test_made_then_reused_then_refused(run, tmp_path):
    out = tmp_path / 'scenes'
    options = ['--size', '64x100', '--num', 'train=2', 'test=1']
    code, text, _ = run(out, *options)
    assert code == 0
    assert re.search(r': 3 images in [\d.]+ s \(\d+ per second\)', text)
    content = json.loads((out / 'annotations/panoptic_test.json').read_text())
    image = content['images'][0]
    assert (image['height'], image['width']) == (64, 100)
    assert run(out, *options) == (0, f'{out}: there already, reused\n', '')
    code, text, error = run(out, *options, '--seed', 3)
    assert (code, text) == (2, '')
    assert error.count('\n') == 1
    assert 'seed 0 in place of 3' in error


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--size', '64'], "HEIGHTxWIDTH. Found '64'"),
        (['--num', 'train'], "SPLIT=NUMBER. Found 'train'"),
    ],
)
def test_unreadable_options(run, tmp_path, arguments, message):
    code, _, error = run(tmp_path / 'scenes', *arguments)
    assert code == 2
    assert message in error


def test_options_out_of_range(run, tmp_path):
    code, _, error = run(tmp_path / 'scenes', '--num', 'val=3')
    assert code == 2
    assert "Found ['val']" in error
    assert not (tmp_path / 'scenes').exists()
