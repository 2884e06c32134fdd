"""The scenes as label maps, without and with MMSegmentation's transforms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS
from numpy.typing import NDArray

from mmada.datasets import SceneOptions, make_scenes
from tests.support.mmseg_scope import mmseg_scope

__all__ = ['mmseg_scope']

LOADING = [
    dict(type='LoadImageFromFile'),
    dict(
        type='mmada.LoadPanopticAnnotations',
        with_bbox=False,
        with_label=False,
        with_mask=False,
    ),
]
CATEGORIES = (1, 2, 3, 4, 11, 12, 13, 14)  # of the labels 0 to 7


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('data') / 'scenes'
    make_scenes(out, SceneOptions(num=dict(train=6)))
    return out


def build(folder: Path, *transforms: dict[str, Any]) -> Any:
    return DATASETS.build(
        dict(
            type='SceneSemanticDataset',
            data_root=f'{folder}/',
            ann_file='annotations/panoptic_train.json',
            data_prefix=dict(img='train/', seg='annotations/panoptic_train/'),
            pipeline=[*LOADING, *transforms],
        )
    )


def truth(folder: Path, index: int) -> NDArray[np.int64]:
    """Returns the labels of an image, pixel by pixel from the files."""
    content = json.loads(
        (folder / 'annotations/panoptic_train.json').read_text()
    )
    annotation = content['annotations'][index]
    maps = folder / 'annotations/panoptic_train' / annotation['file_name']
    b, g, r = cv2.imread(str(maps)).astype(np.int64).transpose(2, 0, 1)
    labels = {0: 255} | {
        segment['id']: CATEGORIES.index(segment['category_id'])
        for segment in annotation['segments_info']
    }
    return np.vectorize(labels.__getitem__)(r + 256 * g + 65536 * b)


def test_labels_are_those_of_the_segments(folder: Path) -> None:
    dataset = build(folder)
    assert len(dataset) == 6
    for index in range(6):
        item = dataset[index]
        assert 'instances' not in item
        assert (item['gt_seg_map'] == truth(folder, index)).all()


def test_classes_are_the_labels(folder: Path) -> None:
    classes = build(folder).metainfo['classes']
    assert classes[:4] == ('ball', 'ring', 'crate', 'kite')
    assert classes[4:] == ('sky', 'water', 'grass', 'forest')


def test_a_pixel_of_no_segment_is_255(folder: Path, tmp_path: Path) -> None:
    make_scenes(tmp_path / 'scenes', SceneOptions(num=dict(train=1)))
    path = tmp_path / 'scenes/annotations/panoptic_train/000000.png'
    image = cv2.imread(str(path))
    image[:3] = 0
    cv2.imwrite(str(path), image)
    labels = build(tmp_path / 'scenes')[0]['gt_seg_map']
    assert (labels[:3] == 255).all()
    assert (labels[3:] < 8).all()


def test_mmsegmentation_flips_and_crops_labels_with_the_image(
    folder: Path, mmseg_scope: None
) -> None:
    dataset = build(
        folder,
        dict(type='RandomFlip', prob=1.0),
        dict(type='RandomCrop', crop_size=(64, 40)),
        dict(type='PackSegInputs'),
    )
    packed = dataset[2]
    labels = packed['data_samples'].gt_sem_seg.data[0].numpy()
    photo = packed['inputs'].numpy().transpose(1, 2, 0)
    assert labels.shape == photo.shape[:2] == (64, 40)

    image = cv2.imread(str(folder / 'train/000002.png'))[:, ::-1]
    (left,) = (x for x in range(57) if (image[:, x : x + 40] == photo).all())
    expected = truth(folder, 2)[:, ::-1][:, left : left + 40]
    assert (labels == expected).all()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda c: c.update(isthing='0'), "or 1 as isthing. Found '0'"),
        (lambda c: c.pop('isthing'), "Found none at 'isthing'"),
    ],
)
def test_categories_that_mmdet_would_misread_are_named(
    folder, tmp_path, change, message
):
    content = json.loads(
        (folder / 'annotations/panoptic_train.json').read_text()
    )
    change(content['categories'][5])
    path = tmp_path / 'odd.json'
    path.write_text(json.dumps(content))
    config = dict(
        type='ScenePanopticDataset',
        ann_file=str(path),
        data_prefix=dict(img='', seg=''),
    )
    with pytest.raises(ValueError, match=f'odd.json.*{message}'):
        DATASETS.build(config)
