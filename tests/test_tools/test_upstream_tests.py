"""Tests of a checkout, with bare and with weighted models."""

from __future__ import annotations

import pytest

from tests.support.scripts import load

upstream_tests = load('dev/upstream_tests.py')

TESTS = """
import torch
from mmdet.models import BaseDetector
from mmdet.registry import MODELS


@MODELS.register_module()
class Small(BaseDetector):
    gain = 1.0

    def loss(self, inputs, data_samples):
        return dict(loss_cls=inputs.sum() * self.gain)

    _forward = extract_feat = predict = loss


@MODELS.register_module()
class Fickle(Small):
    @property
    def gain(self):
        return 1.0 + hasattr(self, 'objective_weights')


def loss_of(kind):
    model = MODELS.build(dict(type=kind))
    return model.forward(torch.rand(2), None, mode='loss')['loss_cls']


def test_loss():
    assert loss_of('Small') > 0


def test_name():
    assert type(MODELS.build(dict(type='Small'))).__name__ == 'Small'


def test_gain():
    assert loss_of('Fickle') > 0


def test_fails_both_ways():
    assert loss_of('Small') < 0
"""


@pytest.mark.slow
def test_what_passes_bare_only_is_shown(monkeypatch, tmp_path, capsys):
    folder = tmp_path / 'tests/test_models/test_detectors'
    folder.mkdir(parents=True)
    (folder / 'test_small.py').write_text(TESTS)
    monkeypatch.setattr('sys.argv', ['upstream_tests', str(tmp_path)])
    with pytest.raises(SystemExit, match='1'):
        upstream_tests.main()
    bare, weighted, name, gain = capsys.readouterr().out.splitlines()
    assert bare == "bare: {'passed': 3, 'failed': 1}, 3 losses"
    assert weighted == "weighted: {'passed': 2, 'failed': 2}, 3 losses"
    file = 'tests/test_models/test_detectors/test_small.py'
    assert name.startswith(f'{file}::test_name: failed: AssertionError')
    before, after = gain.removeprefix(f'{file}::test_gain: ').split(' != ')
    assert float(after[2:-2]) == 2 * float(before[2:-2])


def outcome(result, *losses):
    return dict(outcome=result, losses=list(losses), error='why')


def test_only_what_passes_bare_can_differ():
    bare = dict(
        a=outcome('passed', '1.0', 'nan'),
        b=outcome('passed'),
        c=outcome('failed'),
        d=outcome('skipped'),
    )
    weighted = dict(
        a=outcome('passed', '1.0', 'nan'),
        c=outcome('passed'),
        d=outcome('failed'),
    )
    (line,) = upstream_tests.differences(bare, weighted)
    assert line == 'b: missing: '
