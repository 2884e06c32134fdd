"""tools/eval_panoptic.py as it is called."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmada.datasets.coco_panoptic import id_to_rgb, write_png
from tests.support.scripts import exit_code, load

REPO = Path(__file__).resolve().parents[2]
SCRIPT = REPO / 'tools/eval_panoptic.py'


@pytest.fixture
def folder(tmp_path):
    """A cat of IoU 3/4, and a tree that is missed."""
    for name, row in dict(gt=[9, 9, 9, 9, 7], pred=[4, 4, 4, 0, 0]).items():
        (tmp_path / name).mkdir()
        write_png(tmp_path / name / '1.png', id_to_rgb(np.array([row])))
    write(
        tmp_path / 'gt.json',
        [
            dict(id=9, category_id=2, area=4, iscrowd=0),
            dict(id=7, category_id=3, area=1, iscrowd=0),
        ],
        categories=[
            dict(id=2, name='cat', isthing=1),
            dict(id=3, name='tree', isthing=0),
        ],
    )
    write(tmp_path / 'pred.json', [dict(id=4, category_id=2)])
    return tmp_path


def write(path, segments, **fields):
    annotation = dict(image_id=1, file_name='1.png', segments_info=segments)
    path.write_text(json.dumps(dict(annotations=[annotation], **fields)))


def call(folder, *options):
    command = [
        *(sys.executable, str(SCRIPT)),
        *('--gt-json', f'{folder}/gt.json'),
        *('--gt-folder', f'{folder}/gt'),
        *('--pred-json', f'{folder}/pred.json'),
        *('--pred-folder', f'{folder}/pred'),
        *options,
    ]
    env = dict(os.environ, PYTHONPATH=str(REPO))
    return subprocess.run(command, capture_output=True, text=True, env=env)


def test_json_on_standard_output(folder):
    result = call(folder, '--json')
    assert result.returncode == 0
    content = json.loads(result.stdout)
    assert content == dict(
        All=dict(pq=0.375, sq=0.375, rq=0.5, n=2),
        Things=dict(pq=0.75, sq=0.75, rq=1.0, n=1),
        Stuff=dict(pq=0.0, sq=0.0, rq=0.0, n=1),
        per_class={
            '2': dict(pq=0.75, sq=0.75, rq=1.0),
            '3': dict(pq=0.0, sq=0.0, rq=0.0),
        },
        counts={
            '2': dict(iou=0.75, tp=1, fp=0, fn=0),
            '3': dict(iou=0.0, tp=0, fp=0, fn=1),
        },
    )


@pytest.fixture
def run_here(capsys):
    """Call the script's main in this process: no import of mmdet again."""
    eval_panoptic = load('eval_panoptic.py')

    def run(folder, *options):
        arguments = [
            *('--gt-json', f'{folder}/gt.json'),
            *('--gt-folder', f'{folder}/gt'),
            *('--pred-json', f'{folder}/pred.json'),
            *('--pred-folder', f'{folder}/pred'),
            *options,
        ]
        code = exit_code(eval_panoptic.main, arguments)
        return code, *capsys.readouterr()

    return run


def test_tables(folder, run_here):
    code, out, error = run_here(folder)
    rows = [line.split() for line in out.splitlines()]
    assert (code, error) == (0, '')
    assert rows[1:4] == [
        ['All', '37.500', '37.500', '50.000', '2'],
        ['Things', '75.000', '75.000', '100.000', '1'],
        ['Stuff', '0.000', '0.000', '0.000', '1'],
    ]
    assert rows[6] == (
        ['cat', '75.000', '75.000', '100.000', '0.750', '1', '0', '0']
    )
    assert rows[7][-3:] == ['0', '0', '1']


def test_an_average_over_nothing_is_null(folder, run_here):
    content = json.loads((folder / 'gt.json').read_text())
    content['annotations'][0]['segments_info'].pop()
    (folder / 'gt.json').write_text(json.dumps(content))
    code, out, _ = run_here(folder, '--json')
    assert code == 0
    assert json.loads(out)['Stuff'] == dict(pq=None, sq=None, rq=None, n=0)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--gt-json', 'none.json'], 'No such file .*none.json'),
        (['--pred-folder', 'none'], 'No such file .*none/1.png'),
        (
            ['--gt-json', str(SCRIPT)],
            'eval_panoptic.py should be a JSON object',
        ),
        (['--gt-folder', str(REPO)], 'No such file'),
    ],
)
def test_wrong_paths_are_one_line(folder, run_here, options, message):
    assert_error(run_here(folder, *options), message)


@pytest.mark.parametrize(
    ('segments', 'message'),
    [
        ([], r'image 1: .*a category. Found \[4\]'),
        (
            [dict(id=4, category_id=8)],
            r'image 1 .*`category_id`.*\[2, 3\]. Found \[8\]',
        ),
        (
            [dict(id=4, category_id=2), dict(id=5, category_id=2)],
            r'image 1: .*in the predicted map. Found \[5\]',
        ),
    ],
)
def test_wrong_segments_are_one_line(folder, run_here, segments, message):
    write(folder / 'pred.json', segments)
    assert_error(run_here(folder), message)


def test_a_wrong_size_is_one_line(folder, run_here):
    write_png(folder / 'pred/1.png', id_to_rgb(np.array([[4, 4]])))
    assert_error(run_here(folder), r'image 1: .*\(1, 5\) and \(1, 2\)')


def assert_error(result, message):
    code, out, error = result
    assert (code, out) == (2, '')
    assert error.count('\n') == 1
    assert re.match(f'eval_panoptic: error: .*{message}', error)
