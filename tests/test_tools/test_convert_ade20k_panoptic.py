"""tools/convert_ade20k_panoptic.py, from a release to training and PQ."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from mmdet.datasets import ADE20KPanopticDataset

from mmada import LoadPanopticAnnotations
from mmada.datasets.ade20k_panoptic import STUFF, THINGS
from mmada.evaluation import PanopticQuality
from tests.support import scripts

SIZE = (40, 60)


@pytest.fixture
def convert(capsys):
    convert_ade20k_panoptic = scripts.load('convert_ade20k_panoptic.py')

    def convert(*arguments):
        code = scripts.exit_code(
            convert_ade20k_panoptic.main, [str(a) for a in arguments]
        )
        return code, *capsys.readouterr()

    return convert


def draw(rng):
    """Two kinds of stuff, side by side, and up to four objects on them."""
    semantic = np.zeros(SIZE, np.uint8)
    left, right = rng.choice(STUFF, 2, replace=False) + 1
    semantic[:30, :30], semantic[:30, 30:] = left, right
    instance = np.zeros((*SIZE, 3), np.uint8)
    for number in range(1, rng.integers(2, 5)):
        kind = int(rng.integers(len(THINGS)))
        y, x = rng.integers(0, 20), rng.integers(0, 40)
        box = slice(y, y + 15), slice(x, x + 10)
        semantic[box] = THINGS[kind] + 1
        instance[box] = kind + 1, number, 0
    return semantic, instance


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (('training', 3), ('validation', 2)):
        for folder in ('images', 'annotations', 'annotations_instance'):
            (tmp_path / folder / part).mkdir(parents=True)
        for k in range(count):
            semantic, instance = draw(rng)
            name = f'{part}/ADE_{part}_{k:08d}'
            image = np.zeros((*SIZE, 3), np.uint8)
            cv2.imwrite(f'{tmp_path}/images/{name}.jpg', image)
            cv2.imwrite(f'{tmp_path}/annotations/{name}.png', semantic)
            cv2.imwrite(
                f'{tmp_path}/annotations_instance/{name}.png',
                instance[..., ::-1],
            )
    return tmp_path


def load(root, split, part):
    return ADE20KPanopticDataset(
        data_root=str(root),
        ann_file=f'ade20k_panoptic_{split}.json',
        data_prefix=dict(
            img=f'images/{part}/', seg=f'ade20k_panoptic_{split}/'
        ),
        pipeline=[LoadPanopticAnnotations()],
    )


def perfect(dataset, index):
    """The prediction that is the truth."""
    info = dataset.get_data_info(index)
    info['ori_shape'] = SIZE
    loaded = dataset.pipeline.transforms[0](info)
    labels = np.where(loaded['gt_seg_map'] == 255, 150, loaded['gt_seg_map'])
    for number, (mask, thing) in enumerate(
        zip(loaded['gt_masks'].masks, loaded['gt_bboxes_labels'], strict=True)
    ):
        labels[mask > 0] = thing + 1000 * (number + 1)
    sem_seg = torch.from_numpy(labels)[None]
    return dict(img_id=info['img_id'], pred_panoptic_seg=dict(sem_seg=sem_seg))


@pytest.mark.parametrize('workers', [1, 2])
def test_truth_against_itself_is_perfect(root, convert, workers):
    code, text, _ = convert(root, '--workers', workers)
    assert code == 0
    assert 'ade20k_panoptic_train.json: 3 images, ' in text
    assert ' 0.00% have another class' in text
    for split, part in (('train', 'training'), ('val', 'validation')):
        dataset = load(root, split, part)
        metric = PanopticQuality(
            str(root / f'ade20k_panoptic_{split}.json'),
            str(root / f'ade20k_panoptic_{split}'),
        )
        metric.dataset_meta = dataset.metainfo
        samples = [perfect(dataset, k) for k in range(len(dataset))]
        metric.process({}, samples)
        found = metric.evaluate(len(samples))
        assert {found[f'coco_panoptic/PQ{s}'] for s in ('', '_th', '_st')} == {
            100.0
        }


def test_boxes_are_those_of_the_masks(root, convert):
    convert(root, '--workers', 1)
    dataset = load(root, 'train', 'training')
    for k in range(len(dataset)):
        info = dataset.get_data_info(k) | dict(ori_shape=SIZE)
        loaded = dataset.pipeline.transforms[0](info)
        boxes = loaded['gt_masks'].get_bboxes('hbox').tensor
        assert torch.equal(boxes, loaded['gt_bboxes'].tensor)
        assert len(boxes)


def test_ids_are_unique_in_the_data_set(root, convert):
    convert(root, '--workers', 1, '--splits', 'train')
    assert not (root / 'ade20k_panoptic_val.json').exists()
    content = json.loads((root / 'ade20k_panoptic_train.json').read_text())
    ids = [s['id'] for a in content['annotations'] for s in a['segments_info']]
    assert len(set(ids)) == len(ids) > 6
    assert content['images'][0]['id'] == 'ADE_training_00000000'


def test_another_order_of_classes_is_refused(root, convert):
    for path in (root / 'annotations_instance/training').iterdir():
        instance = cv2.imread(str(path))
        kinds = instance[..., 2]
        kinds[kinds > 0] = kinds[kinds > 0] % 100 + 1
        cv2.imwrite(str(path), instance)
    code, _, error = convert(root, '--workers', 1)
    assert code == 2
    assert 'Found another at 100% of their pixels' in error
    assert not (root / 'ade20k_panoptic_train.json').exists()


def test_files_that_do_not_fit(root, convert):
    maps = root / 'annotations/training/ADE_training_00000001.png'
    cv2.imwrite(str(maps), np.zeros((8, 8), np.uint8))
    code, _, error = convert(root, '--workers', 1)
    assert code == 2
    assert 'training/ADE_training_00000001.jpg: the image should have' in error
    cv2.imwrite(str(maps), np.zeros((*SIZE, 3), np.uint8))
    assert '8 bits and 1 channel' in convert(root, '--workers', 1)[2]
    maps.unlink()
    assert 'No such file' in convert(root, '--workers', 1)[2]
    for path in (root / 'images/training').iterdir():
        path.unlink()
    assert 'should hold *.jpg. Found none' in convert(root)[2]
