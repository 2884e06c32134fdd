"""tools/check_data.py: each fault in a good data set that was damaged."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmada.datasets import SceneOptions, make_scenes
from mmada.datasets.coco_panoptic import decode_id_map, id_to_rgb, write_png
from mmada.datasets.image_subset import ImageIdList, digest_ids, format_ids
from mmada.diagnostics.data import KINDS
from tests.support.scripts import exit_code, load

REPO = Path(__file__).resolve().parents[2]
COCO = REPO / '../shared/data/coco_panoptic_sample'
ANN = 'annotations/panoptic_train.json'
MAPS = 'annotations/panoptic_train'
IMAGES = 12


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'scenes'
    make_scenes(out, SceneOptions(num=dict(train=IMAGES, test=2), seed=1))
    return out


@pytest.fixture
def root(good, tmp_path):
    return Path(shutil.copytree(good, tmp_path / 'scenes'))


@pytest.fixture
def check(capsys):
    check_data = load('check_data.py')

    def check(*arguments):
        code = exit_code(
            check_data.main, [*map(str, arguments), '--workers', '1']
        )
        return code, *capsys.readouterr()

    return check


def paths(root):
    return root / ANN, root / MAPS, root / 'train'


def kinds(output):
    """Number of faults of each kind."""
    content = json.loads(output)
    faults = content['splits'] + sum(
        (data['faults'] for data in content['data_sets']), []
    )
    for fault in faults:
        assert fault['severity'] == KINDS[fault['kind']].severity
    return {fault['kind']: fault['count'] for fault in faults}


def test_a_good_data_set(root, check):
    options = ['--dataset', 'ScenePanopticDataset']
    code, text, _ = check(*paths(root), *options)
    assert code == 0
    assert text.splitlines() == [
        f'{root / ANN}: 12 images, 12 of them opened',
        'no faults',
        '',
        '0 errors, 0 warnings',
    ]


def edit(root, change):
    content = json.loads((root / ANN).read_text())
    change(content)
    (root / ANN).write_text(json.dumps(content))


def segment(content, k=0, image=0):
    return content['annotations'][image]['segments_info'][k]


def is_stuff(info):
    return info['category_id'] > 10


def repaint(root, change, image=0):
    path = root / MAPS / f'{image:06d}.png'
    ids = decode_id_map(path.read_bytes())
    write_png(path, id_to_rgb(change(ids)))


# Each changes the entries of the annotation file.
def doubled_image(content):
    content['images'].append(dict(content['images'][0]))


def same_folder_names(content):
    content['images'][1]['file_name'] = 'sub/000000.png'


def swapped_classes(content):
    categories = content['categories']
    categories[0], categories[1] = categories[1], categories[0]


def stuff_first(content):
    content['categories'].insert(0, content['categories'].pop())


def one_crowd_too_many(content):
    first, second = (segment(content, k) for k in (0, 1))
    second['category_id'] = first['category_id'] = 1
    first['iscrowd'] = second['iscrowd'] = 1


def crowd_of_stuff(content):
    info = next(filter(is_stuff, content['annotations'][0]['segments_info']))
    info['iscrowd'] = 1


def stuff_only(content):
    annotation = content['annotations'][0]
    for info in annotation['segments_info']:
        info['category_id'] = 11


ENTRIES = {
    'duplicate_image_id': (
        doubled_image,
        dict(duplicate_image_id=1, duplicate_file_name=1),
    ),
    'duplicate_basename': (
        same_folder_names,
        dict(
            duplicate_basename=1,
            missing_image=1,
            extra_image=1,
            other_map_name=1,
        ),
    ),
    'no_annotation': (
        lambda c: c['annotations'].pop(),
        dict(no_annotation=1, extra_map=1),
    ),
    'no_image': (
        lambda c: c['images'].pop(),
        dict(no_image=1, extra_image=1),
    ),
    'duplicate_annotation': (
        lambda c: c['annotations'].append(c['annotations'][0]),
        dict(duplicate_annotation=1),
    ),
    'bad_fields of an image': (
        lambda c: c['images'][2].pop('height'),
        dict(bad_fields=1, no_image=1, extra_image=1),
    ),
    'bad_fields of an annotation': (
        lambda c: c['annotations'][2].pop('file_name'),
        dict(bad_fields=1, no_annotation=1, extra_map=1),
    ),
    'bad_fields of a segment': (
        lambda c: segment(c).pop('bbox'),
        dict(bad_fields=1, unlisted_id=1),
    ),
    'bad_fields of a category': (
        lambda c: c['categories'][0].pop('isthing'),
        None,
    ),
    'no_segments': (
        lambda c: c['annotations'][0].update(segments_info=[]),
        None,
    ),
    'no_things': (stuff_only, dict(no_things=1, crowd_stuff=1)),
    'duplicate_segment': (
        lambda c: c['annotations'][0]['segments_info'].append(segment(c)),
        dict(duplicate_segment=1),
    ),
    'bad_segment_id': (
        lambda c: segment(c).update(id=2**24),
        dict(bad_segment_id=1, unlisted_id=1, no_pixels=1),
    ),
    'unknown_category': (
        lambda c: segment(c).update(category_id=77),
        dict(unknown_category=1),
    ),
    'bad_crowd': (
        lambda c: segment(c).update(iscrowd=2),
        dict(bad_crowd=1),
    ),
    'crowd_stuff': (crowd_of_stuff, dict(crowd_stuff=1)),
    'second_crowd': (one_crowd_too_many, dict(second_crowd=1)),
    'tiny_segment': (
        lambda c: segment(c).update(area=0),
        dict(tiny_segment=1, wrong_area=1),
    ),
    'wrong_area': (
        lambda c: segment(c).update(area=segment(c)['area'] + 1),
        dict(wrong_area=1),
    ),
    'wrong_box': (
        lambda c: segment(c).update(bbox=[0, 0, 2, 2]),
        dict(wrong_box=1),
    ),
    'no_pixels': (
        lambda c: c['annotations'][0]['segments_info'].append(
            dict(segment(c), id=999)
        ),
        dict(no_pixels=1),
    ),
    'duplicate_category': (
        lambda c: c['categories'][1].update(id=1),
        None,
    ),
    'things_first': (stuff_first, dict(things_first=4, class_order=8)),
    'class_order': (swapped_classes, dict(class_order=2)),
    'missing_class': (
        lambda c: c['categories'][0].update(name='cube'),
        dict(missing_class=1, extra_class=1),
    ),
    'other_kind': (
        lambda c: c['categories'][4].update(isthing=1),
        dict(other_kind=1),
    ),
    'bad_isthing': (
        lambda c: c['categories'][0].update(isthing='1'),
        None,
    ),
    "bad_fields of a category's id": (
        lambda c: c['categories'][0].update(id='1'),
        None,
    ),
    'unused_category': (
        lambda c: c['categories'].append(dict(id=99, name='x', isthing=0)),
        dict(unused_category=1, extra_class=1),
    ),
    'image_size': (
        lambda c: c['images'][0].update(height=63),
        dict(image_size=1),
    ),
}


@pytest.mark.parametrize('name', ENTRIES)
def test_faults_of_the_annotation_file(name, root, check):
    change, expected = ENTRIES[name]
    edit(root, change)
    options = ['--dataset', 'ScenePanopticDataset', '--json']
    code, output, _ = check(*paths(root), *options)
    found = kinds(output)
    assert name.split()[0] in found
    assert expected is None or found == expected
    errors = [k for k in found if KINDS[k].severity == 'error']
    assert code == int(bool(errors))


def cut_jpeg(root):
    """A JPEG file without its end in place of the first image."""
    edit(root, lambda c: c['images'][0].update(file_name='000000.jpg'))
    image = cv2.imread(str(root / 'train/000000.png'))
    _, data = cv2.imencode('.jpg', image)
    (root / 'train/000000.jpg').write_bytes(data.tobytes()[:-100])
    (root / 'train/000000.png').unlink()


def paint_over(root):
    """A segment vanishes below another."""
    content = json.loads((root / ANN).read_text())
    first, second = (segment(content, k)['id'] for k in (0, 1))
    repaint(root, lambda ids: np.where(ids == first, second, ids))


def unlisted(ids):
    ids[0, 0] = 12345
    return ids


def remap(root):
    (root / MAPS / '000000.png').rename(root / MAPS / 'a.png')
    edit(root, lambda c: c['annotations'][0].update(file_name='a.png'))


def turn(path, orientation):
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(path, exif=exif)


FILES = {
    'missing_image': (
        lambda root: (root / 'train/000003.png').unlink(),
        {'missing_image'},
    ),
    'missing_map': (
        lambda root: (root / MAPS / '000003.png').unlink(),
        {'missing_map'},
    ),
    'extra_image': (
        lambda root: (root / 'train/note.txt').write_text('x'),
        {'extra_image'},
    ),
    'extra_map': (
        lambda root: (root / MAPS / 'note.txt').write_text('x'),
        {'extra_map'},
    ),
    'unreadable_image': (
        lambda root: (root / 'train/000003.png').write_bytes(b''),
        {'unreadable_image'},
    ),
    'unreadable_map': (
        lambda root: (root / MAPS / '000003.png').write_bytes(b'PNG'),
        {'unreadable_map'},
    ),
    'unreadable_image without its end': (
        cut_jpeg,
        {'unreadable_image'},
    ),
    'unreadable_map of grey values': (
        lambda root: cv2.imwrite(
            str(root / MAPS / '000003.png'), np.full((64, 96), 7, np.uint8)
        ),
        {'unreadable_map'},
    ),
    'turned_image': (
        lambda root: turn(root / 'train/000003.png', 3),
        {'turned_image'},
    ),
    'turned_image by a quarter': (
        lambda root: turn(root / 'train/000003.png', 6),
        {'turned_image', 'image_size', 'map_size'},
    ),
    'map_size': (
        lambda root: repaint(root, lambda ids: ids[1:]),
        None,
    ),
    'unlisted_id': (
        lambda root: repaint(root, unlisted),
        None,
    ),
    'no_pixels': (paint_over, {'no_pixels', 'wrong_area', 'wrong_box'}),
    'other_map_name': (remap, {'other_map_name'}),
}


@pytest.mark.parametrize('name', FILES)
def test_faults_of_the_files(name, root, check):
    damage, expected = FILES[name]
    damage(root)
    _, output, _ = check(*paths(root), '--json')
    found = kinds(output)
    assert found[name.split()[0]] == 1
    assert expected is None or set(found) <= expected


def test_a_map_drawn_on_the_turned_image_is_no_fault(root, check):
    """Entry and map have the size that the photograph has once turned."""

    def swap(content):
        image = content['images'][0]
        image.update(height=image['width'], width=image['height'])
        for info in content['annotations'][0]['segments_info']:
            x, y, width, height = info['bbox']
            info['bbox'] = [y, x, height, width]

    edit(root, swap)
    repaint(root, np.transpose)
    turn(root / 'train/000000.png', 6)
    code, output, _ = check(*paths(root), '--json')
    assert (code, kinds(output)) == (0, {})


def test_every_kind_is_tried():
    tried = {name.split()[0] for name in (*ENTRIES, *FILES)}
    split = {'bad_split', 'overlap'}
    together = {'duplicate_file_name', 'extra_class'}
    assert tried | split | together == set(KINDS)


def test_the_report_says_what_a_fault_does(root, check):
    def change(content):
        for k in range(5):
            segment(content, image=k)['area'] = 7

    edit(root, change)
    code, text, _ = check(*paths(root))
    assert code == 1
    line = next(s for s in text.splitlines() if s.startswith('error: '))
    assert re.fullmatch(
        r'error: 5 areas that are not those of the map \(image 0: segment '
        r'\d+, 7 stated, \d+ in the map; image 1: .*; image 2: .*, \.\.\.\)\. '
        r'PQ believes the stated area and is wrong, perhaps above 100\.',
        line,
    )
    assert text.endswith('5 errors, 0 warnings\n')


def test_a_sample_opens_a_part(root, check):
    for path in (root / MAPS).iterdir():
        path.write_bytes(b'')
    code, output, _ = check(*paths(root), '--sample', '5', '--json')
    assert code == 1
    assert kinds(output) == dict(unreadable_map=5)
    assert json.loads(output)['data_sets'][0]['opened'] == 5
    code, output, _ = check(*paths(root), '--sample', '0', '--json')
    assert (code, kinds(output)) == (0, {})


def test_workers_find_the_same(root, check, capsys):
    edit(root, lambda c: segment(c).update(area=7))
    (root / MAPS / '000003.png').unlink()
    alone = check(*paths(root), '--json')[1]
    check_data = load('check_data.py')
    capsys.readouterr()
    check_data.main([*map(str, paths(root)), '--json', '--workers', '2'])
    assert capsys.readouterr().out == alone


def config(root, listed, scored='listed', every=range(IMAGES), searches=1):
    """Explorations that hold the listed images out, unless told not to."""
    ids = ImageIdList(
        tuple(listed), len(every), digest_ids(every), dict(source='x.json')
    )
    (root / 'ids.txt').write_text(format_ids(ids))

    def scenes(split):
        return dict(
            type='ScenePanopticDataset',
            data_root=f'{root}/',
            ann_file=f'annotations/panoptic_{split}.json',
            data_prefix=dict(
                img=f'{split}/', seg=f'annotations/panoptic_{split}/'
            ),
        )

    def part(keep):
        return dict(
            type='ImageSubset',
            ids_file=str(root / 'ids.txt'),
            keep=keep,
            dataset=scenes('train'),
        )

    search = dict(reward_dataloader=dict(dataset=part(scored)))
    several = [dict(), search][:searches]
    content = dict(
        custom_imports=dict(imports=['mmada']),
        default_scope='mmdet',
        train_dataloader=dict(
            dataset=dict(type='RepeatDataset', times=2, dataset=part('others'))
        ),
        train_cfg=dict(exploration=search if searches == 1 else several),
        val_dataloader=dict(dataset=scenes('test')),
    )
    path = root / 'config.py'
    path.write_text(''.join(f'{k} = {v!r}\n' for k, v in content.items()))
    return path


def test_the_data_sets_of_a_config(root, check):
    code, output, _ = check(config(root, [2, 5]), '--json')
    content = json.loads(output)
    assert code == 0
    assert [Path(d['ann_file']).stem for d in content['data_sets']] == [
        'panoptic_train',
        'panoptic_test',
    ]
    assert 'overlap' not in kinds(output)


def test_images_both_trained_on_and_rewarded(root, check):
    path = config(root, [2, 5], scored='others')
    code, text, _ = check(path)
    assert code == 1
    assert 'error: 10 images both trained on and scored' in text
    assert 'train_dataloader and train_cfg.exploration.reward_dat' in text


def test_the_rewards_of_each_of_several_searches(root, check):
    path = config(root, [2, 5], scored='others', searches=2)
    code, text, _ = check(path)
    assert code == 1
    assert 'error: 10 images both trained on and scored' in text
    assert 'train_dataloader and train_cfg.exploration[1].reward_' in text


def test_a_split_of_other_images(root, check):
    code, output, _ = check(config(root, [2], every=range(9)), '--json')
    assert code == 1
    found = json.loads(output)['splits']
    assert [f['kind'] for f in found] == ['bad_split']
    assert 'should have the 9 images of x.json' in found[0]['examples'][0]


def test_what_cannot_be_checked(root, check, tmp_path):
    ann_file, maps, images = paths(root)
    for arguments, message in (
        ((tmp_path / 'none.json', maps, images), 'none.json'),
        ((ann_file, maps, tmp_path / 'none'), 'paths: .*nothing at .*none'),
        ((ann_file, maps, ann_file), 'should be a folder'),
        ((ann_file, maps, images, '--dataset', 'Nobody'), "Found 'Nobody'"),
        ((root / 'scenes.json', maps, images), "should have \\['images'"),
    ):
        code, text, error = check(*arguments)
        assert (code, text) == (2, '')
        assert re.search(message, error)
    empty = tmp_path / 'empty.py'
    empty.write_text('model = dict()\n')
    code, _, error = check(empty)
    assert code == 2
    assert 'should have panoptic data, a dataset with ann_file' in error
    assert 'Found none in it, and no dataloader.' in error
    code, _, error = check(tmp_path)
    assert (code, 'Found the directory' in error) == (2, True)
    assert check(ann_file, maps)[0] == 2


@pytest.mark.skipif(
    not COCO.exists(), reason='the images of COCO are not on this machine'
)
def test_real_images_have_no_fault(check):
    annotations = COCO / 'annotations'
    code, output, _ = check(
        *(annotations / 'panoptic.json', annotations / 'panoptic'),
        *(COCO / 'images', '--dataset', 'CocoPanopticDataset', '--json'),
    )
    assert code == 0
    assert set(kinds(output)) == {'unused_category'}
