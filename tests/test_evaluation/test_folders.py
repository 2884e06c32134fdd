"""Files of predictions against the reference evaluator's results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mmada.evaluation import evaluate_folders

GOLDEN = Path(__file__).resolve().parents[2] / '../shared/data/pq_golden'

pytestmark = pytest.mark.skipif(
    not GOLDEN.exists(), reason='the golden sets are not on this machine'
)


def evaluate(folder):
    return evaluate_folders(
        f'{folder}/gt.json',
        f'{folder}/gt',
        f'{folder}/pred.json',
        f'{folder}/pred',
    )


@pytest.mark.parametrize('name', ['set1', 'set2'])
def test_equal_to_the_reference(name):
    report = evaluate(GOLDEN / name)
    expected = json.loads((GOLDEN / name / 'expected.json').read_text())
    assert len(expected['counts']) == len(report.counts)
    for category, counts in expected['counts'].items():
        found = report.counts[int(category)]._asdict()
        assert found.pop('iou') == pytest.approx(
            counts.pop('iou'), rel=0, abs=1e-9
        )
        assert found == counts
        assert report.classes[int(category)][:3] == pytest.approx(
            tuple(expected['per_class'][category].values()), rel=0, abs=1e-9
        )
    for group in ('All', 'Things', 'Stuff'):
        assert report.groups[group]._asdict() == pytest.approx(
            expected[group], rel=0, abs=1e-9
        )


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(GOLDEN / 'set1', tmp_path / 'set1')
    for path in (tmp_path / 'set1').rglob('*'):
        path.chmod(0o755)
    return tmp_path / 'set1'


def edit(path, change):
    content = json.loads(path.read_text())
    change(content['annotations'])
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda a: a.pop(3),
            'prediction for every image .*none for 1, such as 3',
        ),
        (
            lambda a: a[2]['segments_info'].pop(0),
            'image 2: .* should have a category. Found',
        ),
        (
            lambda a: a[2]['segments_info'].append(dict(id=5, category_id=1)),
            r'image 2: .* in the predicted map. Found \[5\]',
        ),
        (
            lambda a: a[4]['segments_info'][0].update(category_id=77),
            r'image 4 of .*: `category_id` .*Found \[77\]',
        ),
        (
            lambda a: a[4]['segments_info'][0].pop('category_id'),
            "image 4 of .*: a segment should have 'category_id'",
        ),
        (
            lambda a: a[4]['segments_info'][0].update(id=None),
            'image 4 of .*: a segment should have an integer as id',
        ),
        (
            lambda a: a[4]['segments_info'].append(5),
            'image 4 of .*: a segment should be an object',
        ),
        (
            lambda a: a.append(a[0]),
            'image 0 of .*pred.json .*Found a second',
        ),
        (
            lambda a: a[0].update(file_name='0001.png'),
            r'image 0: segment maps .*\(80, 115\) and \(113, 76\)',
        ),
    ],
)
def test_predictions_that_do_not_fit(folder, change, message):
    edit(folder / 'pred.json', change)
    with pytest.raises(ValueError, match=message):
        evaluate(folder)


def test_a_prediction_of_an_unknown_image_does_not_count(folder):
    before = evaluate(folder)
    edit(
        folder / 'pred.json',
        lambda a: a.append(
            dict(image_id=99, file_name='none.png', segments_info=[])
        ),
    )
    assert evaluate(folder) == before
