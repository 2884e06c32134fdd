"""Whole data sets against hotcoco: golden ones and random ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from mmada.datasets.coco_panoptic import id_to_rgb, write_png
from mmada.evaluation import evaluate_folders
from mmada.evaluation.class_counts import ClassCounts, class_quality

from .panoptic_reference import evaluate, rounding

GOLDEN = Path(__file__).resolve().parents[2] / '../shared/data/pq_golden'
THINGS, STUFF, ABSENT = (1, 4, 7), (10, 13), (16, 17)

golden_sets = pytest.mark.skipif(
    not GOLDEN.exists(), reason='the golden sets are not on this machine'
)


def paths(folder):
    """Return truth and prediction, a file and a folder each."""
    names = ('gt.json', 'gt', 'pred.json', 'pred')
    return [f'{folder}/{name}' for name in names]


def assert_equal(report, results):
    """Compare to the last bit, but for the order of additions."""
    assert report.counts.keys() == results['per_class'].keys()
    theirs = {
        c: ClassCounts(found['iou'], found['tp'], found['fp'], found['fn'])
        for c, found in results['per_class'].items()
    }
    for c, ours in report.counts.items():
        assert ours[1:] == theirs[c][1:]
        assert ours.iou == pytest.approx(
            theirs[c].iou, rel=rounding(ours.tp), abs=0
        )
        # Equal formulas: equal numbers of equal counts.
        quality = [results['per_class'][c][k] for k in ('pq', 'sq', 'rq')]
        if ours.in_truth_or_predicted:
            assert list(class_quality(theirs[c])[:3]) == quality
        else:
            assert quality == [-1] * 3
            assert report.classes[c][:3] == (0, 0, 0)
    most = max(counts.tp for counts in report.counts.values())
    for name, ours in report.groups.items():
        quality = [results[name][k] for k in ('pq', 'sq', 'rq')]
        assert ours.n == results[name]['n']
        if ours.n:
            # Sums over images, divided, summed over classes, divided.
            rel = rounding(most + ours.n + 2)
            assert list(ours[:3]) == pytest.approx(quality, rel=rel, abs=0)
        else:
            assert quality == [-1] * 3
            assert all(map(math.isnan, ours[:3]))


@golden_sets
@pytest.mark.parametrize('name', ['set1', 'set2'])
def test_hotcoco_is_the_reference(name):
    """To the last bit, so that it can stand in for it elsewhere."""
    results = evaluate(*paths(GOLDEN / name))
    expected = json.loads((GOLDEN / name / 'expected.json').read_text())
    for group in ('All', 'Things', 'Stuff'):
        assert results[group] == expected[group]
    assert {str(c): v for c, v in results['per_class'].items()} == {
        c: expected['per_class'][c] | expected['counts'][c]
        for c in expected['counts']
    }


@golden_sets
@pytest.mark.parametrize('name', ['set1', 'set2'])
def test_golden_sets(name):
    files = paths(GOLDEN / name)
    assert_equal(evaluate_folders(*files), evaluate(*files))


def draw_regions(rng, size, count):
    """Divide an image into at most ``count`` regions with ragged borders."""
    rows = np.arange(size[0])[:, None] + rng.normal(0, 1, size)
    cols = np.arange(size[1]) + rng.normal(0, 1, size)
    centers = rng.random((count, 2)) * size
    return np.argmin(
        [(rows - y) ** 2 + (cols - x) ** 2 for y, x in centers], axis=0
    )


def draw_truth(rng):
    """Draw ids, some void, some tiny, some unlisted, and ``segments_info``."""
    size = rng.integers(6, 60, 2)
    count = rng.integers(1, 14)
    names = rng.choice(256**3 - 1, count + 3, replace=False) + 1
    ids = names[draw_regions(rng, size, count)]
    for name in names[count:]:  # one to three pixels each
        y, x = rng.integers(0, size)
        ids[y, x : x + rng.integers(1, 4)] = name
    if rng.random() < 0.7:
        y, x = rng.integers(0, size)
        ids[y:, x:] = 0
    labels = np.unique(ids[ids > 0])
    categories = rng.choice(THINGS + STUFF, len(labels))
    crowds = rng.random(len(labels)) < 0.2
    crowds &= np.isin(categories, THINGS)
    segments = [
        dict(
            id=int(label),
            category_id=int(category),
            # The file may state another area than the map has.
            area=int((ids == label).sum() + 2 * (rng.random() < 0.1)),
            iscrowd=int(crowd),
        )
        for label, category, crowd in zip(
            labels, categories, crowds, strict=True
        )
        if rng.random() < 0.95
    ]
    return ids, segments


def draw_prediction(rng, ids, segments):
    """Shift, erase, merge, split, rename and mistake true segments."""
    found = np.roll(ids, rng.integers(-1, 2, 2), axis=(0, 1))
    for label in np.unique(found[found > 0]):
        mask = found == label
        action = rng.choice(
            ['keep', 'erase', 'merge', 'split', 'rename'],
            p=[0.5, 0.1, 0.1, 0.1, 0.2],
        )
        if action == 'erase':
            found[mask] = 0
        elif action == 'merge':
            found[mask] = rng.choice(ids.ravel())
        elif action == 'split':
            mask[:, : mask.shape[1] // 2] = False
            found[mask] = rng.integers(1, 256**3)
        elif action == 'rename':
            found[mask] = rng.integers(1, 256**3)
    categories = {s['id']: s['category_id'] for s in segments}
    infos = []
    for label in np.unique(found[found > 0]).tolist():
        # That of the true segment below, sometimes another.
        below, areas = np.unique(ids[found == label], return_counts=True)
        category = categories.get(int(below[areas.argmax()]), THINGS[0])
        if rng.random() < 0.15:
            category = int(rng.choice(THINGS + STUFF))
        infos.append(dict(id=label, category_id=category))
    rng.shuffle(infos)
    return found, infos


def write_set(folder, rng, images=6):
    """Write a random data set and predictions of it."""
    contents = dict(gt=[], pred=[])
    for image_id in range(images):
        truth = draw_truth(rng)
        prediction = draw_prediction(rng, *truth)
        for kind, (ids, segments) in (('gt', truth), ('pred', prediction)):
            (folder / kind).mkdir(exist_ok=True)
            name = f'{image_id:04d}.png'
            write_png(folder / kind / name, id_to_rgb(ids))
            contents[kind].append(
                dict(image_id=image_id, file_name=name, segments_info=segments)
            )
    categories = [
        dict(id=c, name=f'class{c}', isthing=int(c in THINGS + ABSENT[:1]))
        for c in THINGS + STUFF + ABSENT
    ]
    for kind, found in contents.items():
        content = dict(annotations=found, categories=categories)
        (folder / f'{kind}.json').write_text(json.dumps(content))


@pytest.mark.parametrize('seed', range(30))
def test_random_sets(tmp_path, seed):
    write_set(tmp_path, np.random.default_rng(seed))
    report = evaluate_folders(*paths(tmp_path))
    assert_equal(report, evaluate(*paths(tmp_path)))


def test_random_sets_have_every_kind_of_segment(tmp_path):
    """Matches, mistakes, misses, and predictions that are forgiven."""
    write_set(tmp_path, np.random.default_rng(0), images=40)
    counts = evaluate_folders(*paths(tmp_path)).counts
    _, tp, fp, fn = map(sum, zip(*counts.values(), strict=True))
    predicted = json.loads((tmp_path / 'pred.json').read_text())['annotations']
    forgiven = sum(len(a['segments_info']) for a in predicted) - tp - fp
    assert min(tp, fp, fn, forgiven) > 10
    assert all(counts[c] == (0, 0, 0, 0) for c in ABSENT)


def test_a_group_of_which_nothing_was_counted(tmp_path):
    write_set(tmp_path, np.random.default_rng(0))
    for name in ('gt.json', 'pred.json'):
        content = json.loads((tmp_path / name).read_text())
        for annotation in content['annotations']:
            for segment in annotation['segments_info']:
                segment['category_id'] = THINGS[0]
        (tmp_path / name).write_text(json.dumps(content))
    report = evaluate_folders(*paths(tmp_path))
    assert report.groups['Stuff'].n == 0
    assert_equal(report, evaluate(*paths(tmp_path)))
