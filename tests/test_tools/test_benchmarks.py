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
        'no head rule',
        'multiplied at once',
        'in one group',
    ],
    'head_rule_share': ['head rule / iteration'],
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


@pytest.mark.slow
def test_large_states_of_both_ranks_are_shown(capfd):
    load('benchmarks/speed/large_states.py').main(['--quick'])
    output = capfd.readouterr().out
    for rank in range(2):
        found = re.search(rf'^rank {rank}: state (\d+) MB; .*$', output, re.M)
        assert found is not None and int(found[1]) > 90  # ResNet-18 twice
    names = ('training', 'evaluation', 'restoring', 'committing')
    parts = ', '.join(rf'{name} \S+' for name in names)
    assert len(re.findall(parts, output)) == 4
