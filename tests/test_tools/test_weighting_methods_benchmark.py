"""The benchmark of weightings: which it finds and what it prints."""

from __future__ import annotations

import re

import pytest
from mmengine.config import Config

from tests.support.scripts import load


@pytest.fixture
def benchmark(monkeypatch):
    # A Runner formats its config twice, which takes longer than the rest.
    monkeypatch.setattr(Config, 'pretty_text', '')
    return load('benchmarks/speed/weighting_methods.py')


def test_it_finds_every_weighting_of_a_single_run(benchmark):
    found = benchmark.find_hooks()
    assert {'inverse_loss', 'dwa', 'famo', 'rlw', 'uncertainty'} <= set(found)
    assert not {'ones', 'misscaled', 'random', 'grid'} & set(found)


def test_the_quick_form_prints_time_and_memory(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(
        benchmark, 'measure_memory', lambda name, iters: 4 + len(name)
    )
    benchmark.main(['--quick', '--methods', 'famo'])
    output = capsys.readouterr().out
    found = re.findall(r'^ratio (\S+) \(.*\) (.*)$', output, re.M)
    assert [name for _, name in found] == [
        f'{what} of {name}'
        for what in ('time', 'memory')
        for name in ('none, a second time', 'famo')
    ]
    ratios = [float(ratio) for ratio, _ in found]
    assert min(ratios) > 0
    assert ratios[3] == 1  # both names have four letters


def test_a_worker_prints_the_bytes_of_a_training(benchmark, tmp_path, capsys):
    """What is resident never falls below what it was, at its most."""
    benchmark.main(['--worker', str(tmp_path), 'famo', '2'])
    assert int(capsys.readouterr().out.splitlines()[-1]) >= 0
    assert (tmp_path / 'famo' / 'weights.jsonl').exists()
