"""tools/make_proxy_split.py: which images it holds out, what it writes."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from mmada.datasets import SceneOptions, make_scenes
from mmada.datasets.image_subset import read_ids
from tests.support.scripts import exit_code, load

# Of 0 to 99 the ten whose '0:<id>' has the smallest SHA-256 (sha256sum).
REWARD_IDS = (15, 36, 44, 46, 69, 74, 76, 85, 87, 99)


@pytest.fixture
def split(capsys):
    make_proxy_split = load('make_proxy_split.py')

    def split(*arguments):
        code = exit_code(make_proxy_split.main, [str(a) for a in arguments])
        return code, *capsys.readouterr()

    return split


def write_annotations(folder, ids):
    content = dict(
        info=dict(year=2026),
        images=[dict(id=i, file_name=f'{i}.jpg') for i in ids],
        annotations=[dict(image_id=i, segments_info=[i]) for i in ids],
        categories=[dict(id=1)],
    )
    path = folder / 'ann.json'
    path.write_text(json.dumps(content))
    return path


def test_only_the_ids_are_written(tmp_path, split):
    ann_file = write_annotations(tmp_path, range(100))
    out = tmp_path / 'ann_proxy_reward.txt'
    code, text, _ = split(ann_file, '--num-reward', 10)
    assert (code, text) == (0, f'{out}: 10 of 100 images held out\n')
    assert sorted(tmp_path.iterdir()) == [ann_file, out]
    found = read_ids(str(out))
    assert found.ids == REWARD_IDS
    assert found.num_images == 100
    lines = ''.join(f'{i}\n' for i in range(100))
    assert found.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert found.notes == dict(
        source='ann.json', seed='0', rule='smallest sha256 of seed:id'
    )


@pytest.mark.parametrize(('number', 'held_out'), [(30, 3), (9, 1)])
def test_a_tenth_is_held_out_by_default(tmp_path, split, number, held_out):
    ann_file = write_annotations(tmp_path, range(number))
    code, text, _ = split(ann_file)
    assert code == 0
    assert text.endswith(f': {held_out} of {number} images held out\n')


@pytest.mark.parametrize(('number', 'few'), [(49, True), (50, False)])
def test_few_images_are_said_to_be_few(tmp_path, split, number, few):
    ann_file = write_annotations(tmp_path, range(60))
    _, _, error = split(ann_file, '--num-reward', number)
    said = f'{number} images, fewer than 50, are few to reward a search by'
    assert (said in error) is few


def test_order_of_images_does_not_matter_and_seed_does(tmp_path, split):
    ann_file = write_annotations(tmp_path, range(99, -1, -1))
    out = tmp_path / 'list.txt'
    split(ann_file, '--num-reward', 10, '--out', out)
    assert read_ids(str(out)).ids == REWARD_IDS
    other = tmp_path / 'other.txt'
    split(ann_file, '--num-reward', 10, '--out', other, '--seed', 1)
    assert read_ids(str(other)).ids != REWARD_IDS


def test_another_list_is_not_overwritten(tmp_path, split):
    ann_file = write_annotations(tmp_path, range(16))
    out = tmp_path / 'ann_proxy_reward.txt'
    assert split(ann_file, '--num-reward', 4)[0] == 0
    before = out.read_text()
    assert split(ann_file, '--num-reward', 4)[0] == 0
    for options in (['--num-reward', 5], ['--num-reward', 4, '--seed', 1]):
        code, text, error = split(ann_file, *options)
        assert (code, text) == (2, '')
        assert f'Found {out}, 4 of 16 images with the seed 0.' in error
    assert out.read_text() == before
    out.write_text('of somebody else')
    assert split(ann_file, '--num-reward', 4)[0] == 2
    assert out.read_text() == 'of somebody else'


def test_ids_of_text(tmp_path, split):
    ann_file = write_annotations(tmp_path, ['ADE_2', 'ADE_1', 'ADE_3'])
    assert split(ann_file, '--num-reward', 2)[0] == 0
    ranked = sorted(
        ('ADE_1', 'ADE_2', 'ADE_3'),
        key=lambda i: hashlib.sha256(f'0:{i}'.encode()).hexdigest(),
    )
    found = read_ids(str(tmp_path / 'ann_proxy_reward.txt'))
    assert found.ids == tuple(sorted(ranked[:2]))


@pytest.mark.parametrize(
    ('ids', 'message'),
    [
        (
            [1, 2, 3],
            '`--num-reward` should be 1 to 2, as there are 3 images. Found 3',
        ),
        ([1], 'should have two images or more, to be split. Found 1.'),
        ([1, 2, 2, 3, 4], 'Found 4 ids of 5 images'),
    ],
)
def test_nothing_is_written_of_a_bad_split(ids, message, tmp_path, split):
    ann_file = write_annotations(tmp_path, ids)
    code, text, error = split(ann_file, '--num-reward', 3)
    assert (code, text) == (2, '')
    assert message in error
    assert list(tmp_path.iterdir()) == [ann_file]


def test_not_an_annotation_file(tmp_path, split):
    ann_file = tmp_path / 'ann.json'
    ann_file.write_text('{"images": []}')
    code, _, error = split(ann_file)
    assert code == 2
    assert 'Found no annotations, categories' in error
    code, _, error = split(tmp_path / 'none.json')
    assert code == 2
    assert 'none.json' in error


@pytest.mark.parametrize(
    ('images', 'message'),
    [
        ([dict(id=1), dict(file_name='b.jpg')], '`id` of entry 1 .*None'),
        ([dict(id=1.5)], '`id` of entry 0 of images .*Found 1.5'),
        ([5], '`id` of entry 0 of images'),
        (5, 'should have a list as images. Found 5'),
        ([dict(id=1), dict(id='a')], "all integers or all text.*'str'"),
    ],
)
def test_images_without_an_id_are_named(tmp_path, split, images, message):
    path = write_annotations(tmp_path, range(2))
    content = json.loads(path.read_text())
    path.write_text(json.dumps(dict(content, images=images)))
    code, _, error = split(path, '--num-reward', 1)
    assert code == 2
    assert re.fullmatch(
        f'make_proxy_split: error: .*ann.json.*{message}.*', error.strip()
    )


def test_images_of_a_group_stay_together(tmp_path, split):
    path = tmp_path / 'ann.json'
    images = [
        dict(id=i, file_name=f'{video}/{i}.jpg')
        for i, video in enumerate('aabbbbcc')
    ]
    path.write_text(
        json.dumps(dict(images=images, annotations=[], categories=[]))
    )
    out = tmp_path / 'ann_proxy_reward.txt'
    # By the smallest SHA-256 of '0:<video>' (sha256sum): a, c, b.
    for number, held_out in ((1, (0, 1)), (2, (0, 1)), (3, (0, 1, 6, 7))):
        out.unlink(missing_ok=True)
        arguments = (path, '--num-reward', number, '--group-by', '^(.)/')
        code, text, _ = split(*arguments)
        assert (code, read_ids(str(out)).ids) == (0, held_out)
        assert f'{len(held_out)} of 8 images held out' in text
    assert read_ids(str(out)).notes == {
        'source': 'ann.json',
        'seed': '0',
        'rule': 'smallest sha256 of seed:group',
        'group by': '^(.)/',
    }


@pytest.mark.parametrize(
    ('pattern', 'message'),
    [
        ('(', "regular expression. Found '(': missing ), unterminated"),
        ('x', "the name of every image. Found 'x', which is not in '0.jpg'"),
        ('(x)?jpg', "Found '(x)?jpg', which is not in '0.jpg'"),
        ('jpg', "Found 1, such as 'jpg'"),
    ],
)
def test_groups_that_cannot_be_made(tmp_path, split, pattern, message):
    ann_file = write_annotations(tmp_path, range(3))
    code, _, error = split(ann_file, '--group-by', pattern)
    assert code == 2
    assert message in error


def test_a_config_names_its_data_and_its_list(tmp_path, split, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_scenes(tmp_path / 'data', SceneOptions(num=dict(train=12)))
    data = dict(
        type='ScenePanopticDataset',
        data_root='data/',
        ann_file='annotations/panoptic_train.json',
        data_prefix=dict(img='train/', seg='annotations/panoptic_train/'),
    )
    others = dict(
        type='ImageSubset', ids_file='list.txt', keep='others', dataset=data
    )
    (tmp_path / 'mine.py').write_text(f'loader = dict(dataset={others})\n')
    code, text, _ = split('mine.py', '--num-reward', 3)
    assert (code, text) == (0, 'list.txt: 3 of 12 images held out\n')
    split(tmp_path / 'data/annotations/panoptic_train.json', '--num-reward', 3)
    of_file = read_ids('data/annotations/panoptic_train_proxy_reward.txt')
    assert read_ids('list.txt')[:3] == of_file[:3]
    # The list of the file is that of the config, too, and stays as it is.
    Path('data/annotations/panoptic_train_proxy_reward.txt').rename('list.txt')
    assert split('mine.py', '--num-reward', 3)[0] == 0
    assert read_ids('list.txt') == of_file
    code, _, error = split('mine.py', '--num-reward', 4)
    assert code == 2
    assert 'Found list.txt, 3 of 12 images with the seed 0.' in error


@pytest.mark.parametrize(
    ('kind', 'found'),
    [
        ('mmseg.PascalVOCDataset', '.'),
        (
            'mmseg.CityscapesDataset',
            ': Failed to load `ann_file` {}/train.txt',
        ),
    ],
)
def test_data_that_are_not_there_yet(tmp_path, split, kind, found):
    pytest.importorskip('mmseg.datasets')
    data = dict(
        type=kind,
        data_root=str(tmp_path),
        ann_file='train.txt',
        data_prefix=dict(img_path='images'),
    )
    others = dict(
        type='ImageSubset', ids_file='list.txt', keep='others', dataset=data
    )
    path = tmp_path / 'mine.py'
    path.write_text(f'loader = dict(dataset={others})\n')
    code, _, error = split(path)
    assert code == 2
    assert error.splitlines()[-1] == (
        f'make_proxy_split: error: The files of {kind} should be below '
        f'{tmp_path}. Found others{found.format(tmp_path)}'
    )


@pytest.mark.parametrize(
    ('config', 'options', 'message'),
    [
        (
            'x = 1',
            (),
            'and one list of images, as `mmada adapt --method slope`',
        ),
        ('x = 1', ('--out', 'a.txt'), 'names its list itself. Found a.txt.'),
    ],
)
def test_a_config_without_a_list(tmp_path, split, config, options, message):
    path = tmp_path / 'mine.py'
    path.write_text(config)
    code, _, error = split(path, *options)
    assert code == 2
    assert message in error
