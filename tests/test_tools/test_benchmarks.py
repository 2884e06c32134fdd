"""The benchmarks of docs/performance.md run; how fast is not asserted."""

from __future__ import annotations

import re

import pytest

from tests.support.scripts import load

# Script: what its ratios have in their names.
RATIOS = {
    'weighting_overhead': [
        'a second time',
        'weights of 1',
        'uneven weights',
        'in one group',
    ],
    'gradient_weighting_cost': [
        'GradNorm, last layers',
        'GradNorm, whole trunk',
        'memory, GradNorm',
    ],
    'exploration_cost': [
        'trainings, with set-up',
        'the pseudo epoch, with set-up',
        'trainings, without set-up',
        'the pseudo epoch, without set-up',
    ],
    'rank_speed': ['wall clock', 'work of'],
    'uneven_ranks': ['one replica each'],
    'memory': ['peak of 2', 'less what was there'],
    'state_commit': ['plain write'],
    'auto_seg_loss_speed': [
        f'{metric} / cross entropy, {what}'
        for metric in ('mIoU', 'FWIoU', 'BIoU', 'mAcc', 'gAcc', 'BF1')
        for what in ('work', 'wall clock', 'peak memory')
    ],
    'replica_switch': ['capture / clone', 'restore / clone'],
}


@pytest.mark.slow
@pytest.mark.parametrize('script', RATIOS)
def test_quick_form_prints_its_ratios(script, capsys):
    load(f'benchmarks/speed/{script}.py').main(['--quick'])
    output = capsys.readouterr().out
    assert re.search(r'^commit \S+, mmada .* cores$', output, re.M)
    found = re.findall(r'^ratio (\S+) \(quartiles .*\) (.*)$', output, re.M)
    assert all(float(ratio) > 0 for ratio, _ in found)
    expected = RATIOS[script]
    assert len(found) == len(expected)
    for (_, name), words in zip(found, expected, strict=True):
        assert words in name
