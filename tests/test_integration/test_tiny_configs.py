"""Every config for generated scenes builds all of its parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import TASK_UTILS, init_default_scope
from mmengine.runner import Runner

from mmada.controllers import GridSearch, RandomSearch, ShuffledRewards
from mmada.datasets import SceneOptions
from mmada.engine import load_policy

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
STEM = 'cascade_panoptic_tiny_scenes'
FILES = {
    path.stem.removeprefix(f'{STEM}_').removeprefix('cascade_'): path
    for folder in ('ada', 'baselines')
    for path in sorted((CONFIGS / folder).rglob('*_tiny_scenes*.py'))
}


@pytest.fixture
def read(scenes, monkeypatch, tmp_path):
    """Returns a function that reads a config for a few scenes."""
    monkeypatch.setenv('MMADA_SCENES', f'{scenes}/')
    # A Runner formats its config twice, which takes longer than the rest.
    monkeypatch.setattr(Config, 'pretty_text', '')

    def read(name):
        cfg = Config.fromfile(FILES[name])
        cfg.work_dir = str(tmp_path)
        cfg.experiment_name = f'tiny_{name}'
        cfg.log_level = 'ERROR'
        init_default_scope('mmdet')
        return cfg

    return read


def exploration_of(cfg):
    """Returns an exploration's config, None for a plain training."""
    whole = cfg.train_cfg
    found = whole.get('exploration', whole)
    return found if 'controller' in found else None


def controller_of(cfg):
    exploration = exploration_of(cfg)
    return TASK_UTILS.build(
        exploration.controller,
        default_args=dict(
            num_objectives=4, num_rounds=exploration.num_rounds, seed=0
        ),
    )


@pytest.mark.parametrize('name', FILES)
def test_a_run_is_built(read, name):
    cfg = read(name)
    runner = Runner.from_cfg(cfg)
    runner.build_optim_wrapper(cfg.optim_wrapper)
    assert runner.train_loop.max_iters > 0
    if exploration_of(cfg) is not None:
        # Two for each of the three directions between four factors, one at
        # the centre and one with all weights 1.
        expected = 8 if name == 'slope' else 4
        assert controller_of(cfg).num_replicas == expected


def test_the_grid_is_the_papers(read):
    controller = controller_of(read('grid'))
    assert isinstance(controller, GridSearch)
    first = [[0.5] * 3 + [value] for value in (0.1, 0.25, 0.5, 0.75)]
    assert controller.propose(torch.ones(4)).tolist() == first


@pytest.mark.parametrize('name', ['grid', 'random'])
def test_static_weights_are_tried_in_whole_trainings(read, name):
    cfg = read(name)
    exploration, training = cfg.train_cfg.exploration, cfg.train_cfg.training
    epoch = SceneOptions().num['train'] / cfg.train_dataloader.batch_size
    assert exploration.iters_per_round == training.max_epochs * epoch
    controller = controller_of(cfg)
    assert isinstance(controller, GridSearch | RandomSearch)
    assert controller.num_rounds * controller.num_replicas == 20
    assert cfg.custom_hooks[-1].mode == 'final'


def test_shuffled_rewards_wrap_the_search_that_they_are_a_control_of(read):
    wrapped = read('shuffled_rewards').train_cfg.exploration
    plain = read('panoptic_tiny_scenes').train_cfg.exploration
    assert wrapped.controller.controller == plain.controller
    assert isinstance(controller_of(read('shuffled_rewards')), ShuffledRewards)
    del wrapped['controller'], plain['controller']
    assert wrapped == plain


@pytest.mark.parametrize('mode', ['final', 'pred', 'single', 'comb'])
def test_modes_use_the_policy_of_one_search(read, monkeypatch, mode):
    monkeypatch.setenv('MMADA_SEARCH', '/runs/a')
    hook = read(f'mode_{mode}').custom_hooks[-1]
    assert (hook.policy, hook.mode) == ('/runs/a/policy.safetensors', mode)


@pytest.mark.parametrize(
    ('name', 'changed'),
    [
        ('paper', dict(preset='paper', first_reference='zero')),
        (
            'paper_local',
            dict(preset='paper', first_reference='zero', reward='local'),
        ),
        ('no_learning', dict(kl_limit=0.0)),
        ('no_head_rule', {}),
        ('explored', {}),
    ],
)
def test_an_ablation_changes_what_it_says_alone(read, name, changed):
    plain, ablation = read('panoptic_tiny_scenes'), read(name)
    searched = exploration_of(ablation)
    expected = exploration_of(plain)
    expected.controller.update(changed)
    assert searched == expected
    off = name == 'no_head_rule'
    assert (ablation.optim_wrapper.head_rule.mode == 'off') == off
    explored = name == 'explored'
    assert (ablation.custom_hooks == []) == explored


def test_the_trunk_alone_learns_faster(read):
    cfg = read('trunk')
    runner = Runner.from_cfg(cfg)
    optimizer = runner.build_optim_wrapper(cfg.optim_wrapper).optimizer
    names = [name for name, _ in runner.model.named_parameters()]
    for name, group in zip(names, optimizer.param_groups, strict=True):
        trunk = name.startswith(('backbone', 'neck'))
        assert group['lr'] == pytest.approx(0.012 if trunk else 0.003), name


def test_an_exploration_alone_runs_and_leaves_the_winner(read, tmp_path):
    cfg = read('pbt')
    cfg.model.init_cfg = None
    cfg.train_cfg.update(num_rounds=2)
    cfg.train_cfg.controller.num_replicas = 2
    Runner.from_cfg(cfg).train()
    ensemble = load_policy(tmp_path / 'policy.safetensors')
    assert ensemble.objectives == ('cls', 'bbox', 'mask', 'seg')
    assert ensemble.num_rounds == 2
    assert (tmp_path / 'explored.pth').exists()
