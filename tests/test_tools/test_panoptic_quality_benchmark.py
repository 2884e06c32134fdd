"""The benchmark of panoptic quality: what it prints and what it checks."""

from __future__ import annotations

import re

import pytest

from tests.support.scripts import load


@pytest.fixture
def benchmark():
    return load('benchmarks/speed/panoptic_quality.py')


def test_all_ways_side_by_side(benchmark, capsys):
    """Fails too if they do not agree on the values."""
    benchmark.main(['--quick'])
    output = capsys.readouterr().out
    assert output.startswith('Panoptic quality of 2 images of 640x480 pixels')
    assert re.search(r'^commit \S+, mmada .* cores$', output, re.M)
    found = dict(re.findall(r'^(.*?) +([\d.]+) ms per image$', output, re.M))
    assert list(found)[:5] == [
        'files written',
        'files, hotcoco',
        'files, ours',
        'in memory, truth read',
        'in memory, truth kept',
    ]
    ratios = re.findall(r'^ratio (\S+) \(quartiles .*\) (.*)$', output, re.M)
    assert [name for _, name in ratios][:3] == [
        'hotcoco / ours, files',
        'files written and hotcoco / in memory, truth read',
        'files written and hotcoco / in memory, truth kept',
    ]
    # How large they are is for the script to say.
    assert all(float(ratio) > 0 for ratio, _ in ratios)


def test_mmdet_is_left_out_without_panopticapi(
    benchmark, tmp_path, monkeypatch
):
    name = 'mmdet with panopticapi'
    monkeypatch.setattr(benchmark.coco_panoptic_metric, 'panopticapi', None)
    assert name not in benchmark.ways(tmp_path, [])
    monkeypatch.setattr(benchmark.coco_panoptic_metric, 'panopticapi', True)
    assert name in benchmark.ways(tmp_path, [])


def test_values_that_differ_are_an_error(benchmark, tmp_path, monkeypatch):
    samples = benchmark.make_data(tmp_path, 1, (64, 96), 8, 0)
    original = benchmark.evaluate_files_with_hotcoco
    monkeypatch.setattr(
        benchmark,
        'evaluate_files_with_hotcoco',
        lambda folder: dict(original(folder), PQ=1.0),
    )
    with pytest.raises(RuntimeError, match='values differ'):
        benchmark.compare(tmp_path, samples, 1)
