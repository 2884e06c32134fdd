"""tools/convert_camvid_panoptic.py, from the published layout to PQ."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations

from mmada.datasets import CamVidPanopticDataset, ImageSubset
from mmada.datasets.image_subset import read_ids
from tests.support import scripts
from tests.support.tiny_camvid import CAR, NAMES, make_camvid

DATA = Path(__file__).resolve().parents[2] / '../shared/data/camvid'


@pytest.fixture
def convert(capsys):
    module = scripts.load('convert_camvid_panoptic.py')

    def convert(*arguments):
        code = scripts.exit_code(module.main, [str(a) for a in arguments])
        return code, *capsys.readouterr()

    return convert


@pytest.fixture
def root(tmp_path):
    make_camvid(tmp_path / 'published')
    return tmp_path / 'published'


def read(out, split):
    return json.loads((out / f'annotations/panoptic_{split}.json').read_text())


def check(convert_out, split):
    module = scripts.load('check_data.py')
    annotations = convert_out / 'annotations'
    paths = (
        annotations / f'panoptic_{split}.json',
        annotations / f'panoptic_{split}',
        convert_out / split,
    )
    return scripts.exit_code(
        module.main,
        [*map(str, paths), '--dataset', 'CamVidPanopticDataset', '--json'],
    )


@pytest.mark.parametrize(
    ('size', 'shape', 'box'),
    [
        ((), (48, 64), list(CAR)),
        (('--size', 32, 24), (24, 32), [4, 5, 8, 5]),
    ],
)
def test_all_splits(root, tmp_path, convert, capsys, size, shape, box):
    out = tmp_path / 'out'
    code, text, _ = convert(root, out, *size, '--workers', 1)
    assert code == 0
    assert 'panoptic_train.json: 4 images, 8 segments' in text
    assert 'reward.txt: 1 of 4 images held out' in text
    seen = set()
    for split, names in NAMES.items():
        content = read(out, split)
        assert [image['id'] for image in content['images']] == list(names)
        for image, annotation in zip(
            content['images'], content['annotations'], strict=True
        ):
            assert (image['height'], image['width']) == shape
            car, road = annotation['segments_info']
            assert car['bbox'] == box
            assert (car['category_id'], road['category_id']) == (1, 7)
            seen |= {car['id'], road['id']} if split == 'train' else set()
            stored = cv2.imread(str(out / split / image['file_name']))
            assert stored.shape == (*shape, 3)
            centre = stored[box[1] + 2, box[0] + 3]  # JPEG changes it a bit
            assert centre[2] > 200
            assert centre[0] < 60
        assert check(out, split) == 0
        faults = json.loads(capsys.readouterr().out)['data_sets'][0]['faults']
        assert {fault['severity'] for fault in faults} <= {'warning'}
    assert len(seen) == 8


def test_rewards_are_from_sequences_that_nothing_trains_on(
    root, tmp_path, convert
):
    convert(root, tmp_path, '--reward', '0001TP', '--workers', 1)
    listed = tmp_path / 'annotations/panoptic_train_reward.txt'
    assert read_ids(str(listed)).ids == ('0001TP_1', '0001TP_2')
    dataset = dict(
        type=CamVidPanopticDataset,
        data_root=str(tmp_path),
        ann_file='annotations/panoptic_train.json',
        data_prefix=dict(img='train/', seg='annotations/panoptic_train/'),
    )
    others = ImageSubset(dataset, str(listed), 'others')
    ids = [others.get_data_info(k)['img_id'] for k in range(len(others))]
    assert ids == ['0006R0_f1', '0016E5_1']


def test_things_alone_for_a_detector(root, tmp_path, convert):
    convert(root, tmp_path, '--workers', 1)
    dataset = CocoDataset(
        data_root=str(tmp_path),
        metainfo=dict(classes=('SignSymbol', 'Car')),
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='train/'),
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadAnnotations, with_bbox=True, with_mask=True),
        ],
    )
    ids = [dataset.get_data_info(k)['img_id'] for k in range(len(dataset))]
    assert ids == list(NAMES['train'])
    x, y, width, height = CAR
    for found in dataset:
        box = [x, y, x + width, y + height]
        assert found['gt_bboxes'].numpy().tolist() == [box]
        assert found['gt_bboxes_labels'].tolist() == [1]
        (mask,) = found['gt_masks'].masks
        assert mask[y : y + height, x : x + width].all()
        assert mask.sum() == width * height


@pytest.mark.parametrize(
    'sequences', [['Seq05VD'], ['0001TP', '0006R0', '0016E5']]
)
def test_sequences_that_do_not_fit(root, tmp_path, convert, sequences):
    code, _, error = convert(
        *(root, tmp_path, '--workers', 1, '--reward'), *sequences
    )
    assert code == 2
    assert (
        "`--reward` should be some of the sequences ['0001TP', '0006R0', "
        f"'0016E5'], not all. Found {sequences}." in error
    )


def test_files_that_do_not_fit(root, tmp_path, convert):
    arguments = root, tmp_path, '--workers', 1
    assert convert(*arguments, '--size', 0, 24)[0] == 2
    path = root / 'trainannot/0006R0_f1.png'
    cv2.imwrite(str(path), np.full((48, 64), 12, np.uint8))
    code, _, error = convert(*arguments)
    assert code == 2
    assert 'train/0006R0_f1.png: the map should have classes 0..11' in error
    cv2.imwrite(str(path), np.zeros((24, 32), np.uint8))
    assert 'should have the size (24, 32) of its map' in convert(*arguments)[2]
    path.unlink()
    assert 'No such file' in convert(*arguments)[2]
    for image in (root / 'train').iterdir():
        image.unlink()
    assert 'hold images, PNG or JPEG. Found none.' in convert(*arguments)[2]


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason='CamVid is not there')
def test_real_images(tmp_path, convert):
    code, text, _ = convert(DATA, tmp_path, '--size', 240, 180)
    assert code == 0
    assert '101 of 367 images held out' in text
    things = [
        sum(s['category_id'] < 4 for s in a['segments_info'])
        for split in NAMES
        for a in read(tmp_path, split)['annotations']
    ]
    assert len(things) == 701
    assert np.mean(things) == pytest.approx(9.7, abs=0.2)
    assert [check(tmp_path, split) for split in NAMES] == [0, 0, 0]
