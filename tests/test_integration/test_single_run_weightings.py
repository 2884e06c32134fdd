"""Weightings without gradients on a real panoptic detector."""

import json

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmada.engine import StepWeightingHook
from tests.test_engine.test_hooks.test_step_weighting_hook import Looks
from tests.test_integration.conftest import ROOT, STEM

pytestmark = pytest.mark.slow


@pytest.fixture
def train(scenes, monkeypatch, tmp_path):
    """Returns a function that trains a config for three short epochs."""
    monkeypatch.setenv('MMADA_SCENES', f'{scenes}/')
    # A Runner formats its config twice, which takes longer than the rest.
    monkeypatch.setattr(Config, 'pretty_text', '')

    def train(name, hook=None, **options):
        folder = ROOT / 'configs/baselines'
        cfg = Config.fromfile(folder / f'{STEM}_{name}.py')
        init_default_scope('mmdet')
        cfg.work_dir = str(tmp_path / name)
        cfg.experiment_name = f'{tmp_path.name}_{name}'
        cfg.model.init_cfg = None
        cfg.log_level = 'ERROR'
        cfg.train_cfg.update(max_epochs=3, val_interval=9)
        cfg.default_hooks.checkpoint = None
        cfg.merge_from_dict(options)
        runner = Runner.from_cfg(cfg)
        if hook is not None:
            runner.register_hook(hook)
        runner.train()
        return runner

    return train


def rows(runner):
    with open(f'{runner.work_dir}/weights.jsonl') as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize(
    'name', ['scheduled', 'dwa', 'rlw', 'uncertainty', 'famo']
)
def test_configs_weigh_the_four_kinds(train, name):
    found = rows(train(name))
    assert [row['epoch'] for row in found] == [1, 2, 3]
    for row in found:
        assert row['objectives'] == ['cls', 'bbox', 'mask', 'seg']
        assert all(0 < weight <= 4 for weight in row['weights'])
    assert any(abs(weight - 1) > 1e-3 for weight in found[-1]['weights'])


def test_without_a_step_the_losses_are_those_of_before(train):
    """Proposals, samplers and annotations are the same a second time."""
    log = dict(forward=[], before=[], after=[])
    train(
        'misscaled',
        StepWeightingHook(dict(type=Looks, log=log)),
        **{
            'optim_wrapper.optimizer.lr': 0.0,
            'model.objectives': 'cascade_panoptic',
        },
    )
    assert len(log['after']) == 6
    assert log['after'] == log['before']
