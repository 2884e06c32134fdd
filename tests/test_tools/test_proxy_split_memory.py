"""The memory benchmark of proxy splits runs; its figures mean nothing."""

from __future__ import annotations

import json

import pytest

from tests.support.scripts import load


@pytest.fixture
def benchmark():
    return load('benchmarks/speed/proxy_split_memory.py')


def test_the_file_has_the_fields_of_the_real_one(benchmark, tmp_path):
    path = tmp_path / 'a.json'
    benchmark.write_annotations(path, 50)
    content = json.loads(path.read_text())
    assert len({image['id'] for image in content['images']}) == 50
    counts = []
    for image, annotation in zip(
        content['images'], content['annotations'], strict=True
    ):
        assert annotation['image_id'] == image['id']
        counts.append(len(annotation['segments_info']))
        for segment in annotation['segments_info']:
            assert set(segment) == {
                *('id', 'category_id', 'iscrowd', 'bbox', 'area')
            }
    assert 9 < sum(counts) / 50 < 13


@pytest.mark.parametrize('reader', ['json.load', 'make_proxy_split'])
def test_a_reader_is_measured(reader, benchmark, tmp_path):
    path = tmp_path / 'a.json'
    benchmark.write_annotations(path, 200)
    found = benchmark.measure(reader, path)
    assert found['peak'] >= found['held'] > 10
    assert (tmp_path / f'a.json.{reader}').exists() == (reader != 'json.load')
