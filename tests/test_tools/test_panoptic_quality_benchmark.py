"""The benchmark of panoptic quality: what it prints and what it checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.scripts import load

FOLDER = Path(__file__).resolve().parents[2] / 'tools/benchmarks'


@pytest.fixture
def benchmark():
    return load('benchmarks/speed/panoptic_quality.py')


def test_both_ways_side_by_side(benchmark, capsys):
    """Fails too if they do not agree on the values."""
    benchmark.main(['--images', '4', '--repeats', '3'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('4 images of 640x480 pixels with 18 segments')
    found = dict(
        re.match(r'(.*?) +([\d.]+) ms per image', line).groups()
        for line in lines[1:]
    )
    png, read, kept = map(float, found.values())
    assert list(found)[0] == 'through PNG files (mmdet)'
    assert png > max(read, kept) > 0  # how much is for the script to say


def test_values_that_differ_are_an_error(benchmark, tmp_path, monkeypatch):
    samples = benchmark.make_data(tmp_path, 1, (64, 96), 8, 0)
    original = benchmark.PanopticQuality.compute_metrics
    monkeypatch.setattr(
        benchmark.PanopticQuality,
        'compute_metrics',
        lambda *args: dict(original(*args), PQ=1.0),
    )
    with pytest.raises(RuntimeError, match='values differ'):
        benchmark.compare(tmp_path, samples, 1)
