"""Weights from gradients on a real panoptic detector, on generated scenes."""

import json

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from tests.support.toy import assert_same_state
from tests.test_integration.conftest import ROOT, STEM

pytestmark = pytest.mark.slow

pytest.importorskip('torchjd', reason='[torchjd] is not installed')
NAMES = ['gradnorm', 'upgrad', 'pcgrad', 'cagrad']


@pytest.fixture
def train(scenes, monkeypatch, tmp_path):
    """Returns a function that trains a config for an epoch."""
    monkeypatch.setenv('MMADA_SCENES', f'{scenes}/')

    def train(name, *hooks):
        folder = ROOT / 'configs/baselines'
        cfg = Config.fromfile(folder / f'{STEM}_{name}.py')
        init_default_scope('mmdet')
        cfg.work_dir = str(tmp_path / f'{name}{len(hooks)}')
        cfg.experiment_name = f'{tmp_path.name}_{name}{len(hooks)}'
        cfg.model.init_cfg = None
        cfg.log_level = 'ERROR'
        cfg.train_cfg.update(max_epochs=1, val_interval=9)
        if name == 'gradnorm':  # the one epoch would be its first period
            cfg.custom_hooks[-1].weighting.initial_losses = 'iteration'
        cfg.custom_hooks += hooks
        runner = Runner.from_cfg(cfg)
        runner.train()
        return runner

    return train


@pytest.mark.parametrize('name', NAMES)
def test_configs_weigh_the_four_kinds(train, name):
    runner = train(name)
    with open(f'{runner.work_dir}/weights.jsonl') as file:
        (row,) = map(json.loads, file)
    assert row['objectives'] == ['cls', 'bbox', 'mask', 'seg']
    assert all(loss > 0 for loss in row['losses'])
    assert all(0 < weight < 100 for weight in row['weights'])
    assert any(abs(weight - 1) > 1e-3 for weight in row['weights'])


def test_ones_train_as_without_a_hook_to_the_bit(train):
    constant = dict(
        type='AggregatorWeighting',
        aggregator='Constant',
        options=dict(weights=[1.0] * 4),
    )
    hook = dict(type='GradientWeightingHook', weighting=constant)
    weighted, plain = train('misscaled', hook), train('misscaled')
    assert weighted.model.objective_weights.values == (1.0,) * 4
    assert_same_state(plain.model.state_dict(), weighted.model.state_dict())
