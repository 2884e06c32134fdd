"""Subsets of a dataset, and the lists of image ids that name them."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.samplers import AspectRatioBatchSampler
from mmdet.datasets.transforms import PackDetInputs
from mmengine.dataset import DefaultSampler
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from mmada.datasets import ImageSubset, SceneOptions, make_scenes
from mmada.datasets.image_subset import (
    ImageIdList,
    digest_ids,
    format_ids,
    parse_ids,
    read_ids,
)

EVERY = tuple(range(12))
LISTED = (1, 4, 5, 9)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'scenes'
    make_scenes(out, SceneOptions(num=dict(train=len(EVERY))))
    return out


@pytest.fixture
def write(tmp_path):
    def write(ids, every=EVERY):
        path = tmp_path / 'ids.txt'
        digest = digest_ids(every)
        content = ImageIdList(tuple(ids), len(every), digest, {})
        path.write_text(format_ids(content))
        return str(path)

    return write


def scenes(root, **options):
    return dict(
        type='ScenePanopticDataset',
        data_root=str(root),
        ann_file='annotations/panoptic_train.json',
        data_prefix=dict(img='train/', seg='annotations/panoptic_train/'),
        **options,
    )


def ids_of(dataset):
    return [dataset.get_data_info(i)['img_id'] for i in range(len(dataset))]


@pytest.mark.parametrize('serialize', [True, False])
def test_both_sides_of_a_list(root, write, serialize):
    whole = DATASETS.build(scenes(root))
    parts = []
    for keep in ('listed', 'others'):
        config = dict(
            type='ImageSubset',
            ids_file=write(LISTED),
            keep=keep,
            dataset=scenes(root, serialize_data=serialize),
        )
        before = copy.deepcopy(config)
        part = DATASETS.build(config)
        assert config == before
        assert part.metainfo == whole.metainfo
        parts.append(part)
    assert ids_of(parts[0]) == list(LISTED)
    assert ids_of(parts[1]) == [i for i in EVERY if i not in LISTED]
    info, expected = parts[0].get_data_info(2), whole.get_data_info(5)
    assert info.pop('sample_idx') == 2
    assert expected.pop('sample_idx') == 5
    assert info == expected


def test_data_of_other_images_is_not_held(root, write):
    part = ImageSubset(scenes(root), write([3]), 'listed')
    whole = DATASETS.build(scenes(root))
    start, end = whole.data_address[2:4]
    assert len(part.dataset.data_bytes) == end - start
    assert part.dataset.data_list == []


def test_the_dataset_filters_and_counts_within_the_subset(root, write):
    large = dict(filter_cfg=dict(min_size=1000))
    kept = dict(filter_cfg=dict(min_size=64))
    part = ImageSubset(
        scenes(root, indices=2, **kept), write(LISTED), 'others'
    )
    assert ids_of(part) == [0, 2]
    part = ImageSubset(scenes(root, indices=[1, 3]), write(LISTED), 'listed')
    assert ids_of(part) == [4, 9]
    with pytest.raises(ValueError, match='4 of 12 .*0 of them pass .*1000'):
        ImageSubset(scenes(root, **large), write(LISTED), 'listed')
    tested = scenes(root, test_mode=True, **large)
    assert len(ImageSubset(tested, write(LISTED), 'listed')) == 4


def test_items_and_batches(root, write):
    config = scenes(root, pipeline=[LoadImageFromFile()])
    part = ImageSubset(config, write(LISTED), 'listed')
    assert part[3]['img_path'].endswith('000009.png')
    assert part[3]['img'].shape == (64, 96, 3)
    sampler = DefaultSampler(part, shuffle=True, seed=0)
    batches = list(AspectRatioBatchSampler(sampler, batch_size=3))
    assert sorted(sum(batches, [])) == [0, 1, 2, 3]


def test_a_dataloader_of_a_config(root, write):
    steps = [LoadImageFromFile(), PackDetInputs(meta_keys=('img_id',))]
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=1,
            sampler=dict(type='DefaultSampler', shuffle=False),
            batch_sampler=dict(type='mmdet.AspectRatioBatchSampler'),
            collate_fn=dict(type='pseudo_collate'),
            dataset=dict(
                type='ImageSubset',
                ids_file=write(LISTED),
                keep='listed',
                dataset=scenes(root, pipeline=steps),
            ),
        )
    )
    assert loader.dataset.metainfo['classes'][0] == 'ball'
    ids = [x.img_id for batch in loader for x in batch['data_samples']]
    assert ids == list(LISTED)


def test_a_copy_for_worker_processes(root, write):
    part = ImageSubset(scenes(root), write(LISTED), 'listed')
    again = pickle.loads(pickle.dumps(part))
    assert ids_of(again) == list(LISTED)
    assert 'filter_data' not in vars(part.dataset)


def test_annotations_may_be_loaded_later(root, write):
    part = ImageSubset(scenes(root), write(LISTED), 'listed', lazy_init=True)
    assert part.dataset.data_list == []
    assert not part.dataset._fully_initialized
    assert part.metainfo['classes'][0] == 'ball'
    part.full_init()
    part.full_init()
    assert len(part) == 4
    late = ImageSubset(scenes(root), write(LISTED), 'listed', lazy_init=True)
    assert late[0]['img_id'] == 1


def test_images_with_ids_of_text(root, write, tmp_path):
    content = json.loads(
        (root / 'annotations/panoptic_train.json').read_text()
    )
    for image in content['images']:
        image['id'] = f'ADE_{image["id"]:02d}'
    for annotation in content['annotations']:
        annotation['image_id'] = f'ADE_{annotation["image_id"]:02d}'
    (tmp_path / 'text.json').write_text(json.dumps(content))
    every = [image['id'] for image in content['images']]
    config = scenes(root) | dict(ann_file=str(tmp_path / 'text.json'))
    part = ImageSubset(config, write(['ADE_03', 'ADE_11'], every), 'listed')
    assert ids_of(part) == ['ADE_03', 'ADE_11']
    assert part.get_data_info(0)['instances']


@pytest.mark.parametrize(
    ('ids', 'every', 'message'),
    [
        ((1, 4), EVERY[:-1], 'should have the 11 images .*Found 12 images'),
        ((1, 4), (*EVERY[:-1], 77), 'Found 12 others'),
        ((1, 77), EVERY, r'Found 1 others, such as 77'),
        ((), EVERY, 'image should be left. Found 0 of 12 that are listed'),
    ],
)
def test_a_list_that_does_not_fit(root, write, ids, every, message):
    with pytest.raises(ValueError, match=message):
        ImageSubset(scenes(root), write(ids, every), 'listed')


def test_options_that_do_not_fit(root, write):
    with pytest.raises(ValueError, match="`keep` should be .*Found 'train'"):
        ImageSubset(scenes(root), write(LISTED), 'train')
    repeated = dict(type='RepeatDataset', times=2, dataset=scenes(root))
    with pytest.raises(ValueError, match='BaseDataset .*RepeatDataset. Put'):
        ImageSubset(repeated, write(LISTED), 'listed')


NOTES = dict(source='gt.json', seed='0')


def make(ids=(2, 10), every=(9, 10, 2), **notes):
    digest = digest_ids(every)
    return ImageIdList(tuple(ids), len(every), digest, NOTES | notes)


def test_digest_is_that_of_the_sorted_lines():
    assert digest_ids([10, 2, 9]) == hashlib.sha256(b'2\n9\n10\n').hexdigest()
    assert digest_ids(['b', 'a']) == hashlib.sha256(b'a\nb\n').hexdigest()


def test_text_of_a_list():
    assert format_ids(make(ids=(10, 2))).splitlines() == [
        '# mmada image ids 1',
        '# source: gt.json',
        '# seed: 0',
        '# images: 3',
        f'# sha256: {digest_ids([2, 9, 10])}',
        '# listed: 2',
        '# type: int',
        '2',
        '10',
    ]


@pytest.mark.parametrize(
    'content',
    [
        make(),
        make(ids=('1', 'ADE_val 7'), every=('ADE_val 7', '1', 'x')),
        make(ids=()),
    ],
)
def test_a_list_reads_back(content, tmp_path):
    path = tmp_path / 'ids.txt'
    path.write_text(format_ids(content))
    assert read_ids(str(path)) == content


@pytest.mark.parametrize(
    ('ids', 'message'),
    [
        (['a', 1], r"all integers or all text. Found \['int', 'str'\]"),
        ([1.5], r"Found \['float'\]"),
        (['#1'], "no # in front. Found '#1'"),
        ([' 1'], "without blanks around it .*Found ' 1'"),
        (['a\nb'], r"Found 'a\\nb'"),
        ([''], "Found ''"),
    ],
)
def test_ids_that_no_line_can_hold(ids, message):
    with pytest.raises(ValueError, match=message):
        digest_ids(ids)


GOOD = format_ids(make())


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', "first line should be .*ids 1'. Found ''"),
        ('{"images": []}', 'first line .*images'),
        (GOOD.replace('ids 1', 'ids 2'), 'ids 1.*Found .*ids 2'),
        (GOOD.replace('# sha256', '# md5'), "none at 'sha256'"),
        (GOOD.replace('images: 3', 'images: many'), "at .*'many'"),
        (GOOD.replace('type: int', 'type: float'), "at 'float'"),
        (GOOD.removesuffix('10\n'), '2 ids should follow. Found 1'),
        (GOOD.replace('\n2\n', '\n10\n'), 'ascending, each once'),
        (GOOD.replace('\n2\n', '\n20\n'), 'ascending, each once'),
        (GOOD.replace('\n2\n', '\ntwo\n'), "'two'"),
    ],
)
def test_a_file_that_is_no_list(text, message, tmp_path):
    (tmp_path / 'ids.txt').write_text(text)
    with pytest.raises(ValueError, match=f'ids.txt should be .*{message}'):
        read_ids(str(tmp_path / 'ids.txt'))


def test_source_of_a_list():
    parse_ids(GOOD).check_source([10, 9, 2], 'gt.json')
    with pytest.raises(
        ValueError, match='new.json should have the 3 .*gt.json, .*Found 2 im'
    ):
        parse_ids(GOOD).check_source([10, 9], 'new.json')
    with pytest.raises(ValueError, match='Found 3 others'):
        parse_ids(GOOD).check_source([10, 9, 3], 'new.json')


def test_integers_of_numpy_are_integers():
    ids = np.array([3, 1, 2])
    assert digest_ids(ids) == digest_ids([1, 2, 3])
    with pytest.raises(ValueError, match='Image ids should be'):
        digest_ids([True, False])


def test_a_dataset_that_is_built_already_is_refused():
    with pytest.raises(ValueError, match='`dataset` .*Found list'):
        ImageSubset([], 'ids.txt', 'listed')


def test_images_without_an_id_are_listed_by_their_file(tmp_path, write):
    segmentors = pytest.importorskip('mmseg.datasets')
    every = [f'{city}/{i}.png' for city in 'ab' for i in range(3)]
    for name in every:
        for folder in ('images', 'maps'):
            path = tmp_path / 'data' / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    config = dict(
        type=segmentors.BaseSegDataset,
        data_root=str(tmp_path / 'data'),
        data_prefix=dict(img_path='images', seg_map_path='maps'),
        img_suffix='.png',
        metainfo=dict(classes=('road', 'sky')),
    )
    listed = ['a/1.png', 'b/0.png']
    parts = {
        keep: DATASETS.build(
            dict(
                type='ImageSubset',
                ids_file=write(listed, every),
                keep=keep,
                dataset=config,
            )
        )
        for keep in ('listed', 'others')
    }
    found = {
        keep: [part.get_data_info(i)['img_path'] for i in range(len(part))]
        for keep, part in parts.items()
    }
    folder = f'{tmp_path}/data/images/'
    assert found['listed'] == [folder + name for name in listed]
    assert found['others'] == [
        folder + name for name in every if name not in listed
    ]
