from __future__ import annotations

import json
import os

import pytest
import torch

from mmada.surrogates import NAMED_POINTS, load_curve, save_curve

POINTS = NAMED_POINTS['voc_miou'].points


@pytest.fixture
def path(tmp_path):
    return save_curve(
        tmp_path / 'miou.json', 'mIoU', POINTS, {'seed': 3, 'reward': [0.5]}
    )


def test_what_is_saved_is_loaded_bit_by_bit(path):
    found = load_curve(path)
    assert found.metric == 'mIoU'
    assert found.points == POINTS
    assert found.provenance == {'seed': 3, 'reward': [0.5]}


def test_a_tensor_of_points_is_as_good_as_a_list(tmp_path):
    points = torch.tensor(POINTS, dtype=torch.float64).view(2, 3, 2)
    save_curve(tmp_path / 'a.json', 'mIoU', points)
    assert load_curve(tmp_path / 'a.json').points == POINTS


@pytest.mark.parametrize(
    ('field', 'value', 'said'),
    [
        ('schema', 2, '`schema` should be 1. Found 2'),
        ('schema', True, '`schema` should be of type int'),
        ('metric', 'mAP', '`metric` should be one of'),
        ('metric', 'mAcc', '`points`.*6 numbers'),
        ('metric', 'BIoU', '`sha256`.*edited'),
        ('points', POINTS[:-1], '`points`.*Found 11'),
        ('points', [0.5] * 12, '`sha256`.*edited'),
        ('points', 'x', '`points` should be of type list'),
        ('provenance', {'seed': 4}, '`sha256`.*edited'),
        ('provenance', None, '`provenance` should be of type dict'),
        ('sha256', '0' * 64, '`sha256`'),
    ],
)
def test_an_edited_file_is_refused_with_the_field(path, field, value, said):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {field: value}))
    with pytest.raises(ValueError, match=said) as error:
        load_curve(path)
    assert 'miou.json is not a curve file' in str(error.value)


@pytest.mark.parametrize(
    'field', ['schema', 'metric', 'points', 'provenance', 'sha256']
)
def test_a_missing_field_is_named(path, field):
    content = json.loads(path.read_text())
    del content[field]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f'`{field}`'):
        load_curve(path)


@pytest.mark.parametrize(
    ('text', 'said'), [('{', 'is not JSON'), ('[]', 'should be an object')]
)
def test_other_files_are_refused(tmp_path, text, said):
    (tmp_path / 'x.json').write_text(text)
    with pytest.raises(ValueError, match=said):
        load_curve(tmp_path / 'x.json')


def test_invalid_points_are_not_written(path):
    before = path.read_text()
    with pytest.raises(ValueError, match='`points`'):
        save_curve(path, 'mIoU', [2.0] * 12)
    with pytest.raises(ValueError, match='`provenance`'):
        save_curve(path, 'mIoU', POINTS, {'x': object()})
    with pytest.raises(ValueError, match='`provenance`'):
        save_curve(path, 'mIoU', POINTS, {'x': float('nan')})
    assert path.read_text() == before


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    path, monkeypatch
):
    before = path.read_text()

    def fail(*_):
        raise OSError('disk full')

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(OSError, match='disk full'):
        save_curve(path, 'mIoU', sorted([0.5] * 12))
    assert path.read_text() == before
    assert os.listdir(path.parent) == ['miou.json']
