"""tools/format_panoptic.py on scenes with and without a truth."""

import json
import re

import numpy as np
import pytest
import torch

from mmada.datasets.coco_panoptic import decode_id_map
from mmada.evaluation import evaluate_folders
from tests.support.trained_scenes import CONFIGS
from tests.test_tools.shell import TOOLS

CONFIG = CONFIGS / 'ada/cascade_panoptic_tiny_scenes.py'
OFFICIAL = (
    '--cfg-options',
    'train_cfg.exploration.reward_evaluator.classes_of=official',
)
STEM = 'panoptic_test-dev2017_mine_results'


@pytest.fixture
def write(run, trained_scenes, monkeypatch, capsys, tmp_path):
    """Returns a function that calls the tool and returns what it says."""
    monkeypatch.setenv('MMADA_SCENES', f'{trained_scenes}/')

    def call(*options, code=0, checkpoint=trained_scenes / 'checkpoint.pth'):
        arguments = CONFIG, checkpoint, tmp_path / 'out', '--name', 'mine'
        with pytest.raises(SystemExit) as found:
            run(TOOLS / 'format_panoptic.py', *arguments, *options)
        said = capsys.readouterr()
        assert found.value.code == (2 if isinstance(code, str) else code)
        if isinstance(code, str):
            assert code in said.err.splitlines()[-1]
        return said.out

    return call


def test_the_files_have_the_quality_of_the_metric(
    write, run, trained_scenes, capsys, tmp_path
):
    # Test data on which the checkpoint is good: those it was trained on.
    data = {
        'ann_file': 'annotations/panoptic_reward.json',
        'data_prefix.img': 'reward/',
    }
    options = [f'test_dataloader.dataset.{k}={v}' for k, v in data.items()]
    assert 'read again: no problem(s)' in write('--cfg-options', *options)
    out = tmp_path / 'out'
    truth = trained_scenes / 'annotations/panoptic_reward'
    report = evaluate_folders(
        f'{truth}.json', str(truth), f'{out}/{STEM}.json', f'{out}/{STEM}'
    )
    checkpoint = trained_scenes / 'checkpoint.pth'
    with pytest.raises(SystemExit):
        run(TOOLS / 'check_reward.py', CONFIG, checkpoint, *OFFICIAL)
    output = capsys.readouterr().out
    found = dict(re.findall(r'^coco_panoptic/(\w+): (.*)$', output, re.M))
    assert float(found['PQ']) > 10
    for key, group in dict(PQ='All', PQ_th='Things', PQ_st='Stuff').items():
        expected = 100 * report.groups[group].pq
        assert float(found[key]) == pytest.approx(expected, abs=1e-4)


def test_images_without_a_truth(write, trained_scenes, tmp_path):
    whole = trained_scenes / 'annotations/panoptic_test.json'
    content = json.loads(whole.read_text())
    info = tmp_path / 'image_info.json'
    # As COCO has it: the categories of another task, and no annotations.
    info.write_text(
        json.dumps(
            dict(images=content['images'], categories=[dict(id=1, name='x')])
        )
    )
    listed = tmp_path / 'categories.json'
    listed.write_text(json.dumps(content['categories']))
    images = '--image-info', info, '--image-dir', trained_scenes / 'test/'
    write(*images, code='isthing')
    other = '--image-info', listed, '--image-dir', trained_scenes / 'test/'
    write(*other, code='categories.json should have images. Found none')
    odd = tmp_path / 'odd.json'
    odd.write_text(json.dumps(dict(images=[dict(id=1, file_name='a.png')])))
    other = '--image-info', odd, '--image-dir', trained_scenes / 'test/'
    write(*other, code='Found another entry 0 of images: height')
    write(*images, '--categories', listed)
    records = json.loads((tmp_path / f'out/{STEM}.json').read_text())
    assert [r['image_id'] % 10**6 for r in records['annotations']] == [0, 1]
    for record in records['annotations']:
        path = tmp_path / 'out' / STEM / record['file_name']
        ids = np.unique(decode_id_map(path.read_bytes()))
        assert {s['id'] for s in record['segments_info']} == {*ids} - {0}


def test_a_checkpoint_that_does_not_fit_is_refused(
    write, trained_scenes, tmp_path
):
    path = tmp_path / 'wrong.pth'
    torch.save(dict(state_dict={'a': torch.ones(1)}), path)
    write(checkpoint=path, code='weights are not in the checkpoint')
