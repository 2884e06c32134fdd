"""The format of lists of image ids."""

from __future__ import annotations

import hashlib

import pytest

from mmada.datasets.image_ids import (
    ImageIdList,
    digest_ids,
    format_ids,
    parse_ids,
    read_ids,
)

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
        (['a', 1], r"all integers or all text, found \['int', 'str'\]"),
        ([1.5], r"found \['float'\]"),
        (['#1'], "no # in front, found '#1'"),
        ([' 1'], "without blanks around it .*found ' 1'"),
        (['a\nb'], r"found 'a\\nb'"),
        ([''], "found ''"),
    ],
)
def test_ids_that_no_line_can_hold(ids, message):
    with pytest.raises(ValueError, match=message):
        digest_ids(ids)


GOOD = format_ids(make())


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', "first line should be .*ids 1', found ''"),
        ('{"images": []}', 'first line .*images'),
        (GOOD.replace('ids 1', 'ids 2'), 'ids 1.*found .*ids 2'),
        (GOOD.replace('# sha256', '# md5'), "none at 'sha256'"),
        (GOOD.replace('images: 3', 'images: many'), "at .*'many'"),
        (GOOD.replace('type: int', 'type: float'), "at 'float'"),
        (GOOD.removesuffix('10\n'), '2 ids should follow, found 1'),
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
        ValueError, match='new.json should have the 3 .*gt.json, .*found 2 im'
    ):
        parse_ids(GOOD).check_source([10, 9], 'new.json')
    with pytest.raises(ValueError, match='found 3 images, others'):
        parse_ids(GOOD).check_source([10, 9, 3], 'new.json')
