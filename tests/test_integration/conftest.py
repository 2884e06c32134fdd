import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmada.datasets import SceneOptions, make_scenes

ROOT = Path(__file__).resolve().parents[2]
STEM = 'cascade_panoptic_tiny_scenes'
CONFIGS = {
    'ada': ROOT / f'configs/ada/{STEM}.py',
    'search_and_weights': ROOT
    / 'configs/asl/scenes/cascade_panoptic_tiny_search_and_weights.py',
    'ones': ROOT / f'configs/baselines/{STEM}_ones.py',
}
_count = 0


@pytest.fixture(scope='session')
def scenes(tmp_path_factory):
    """A folder of a few generated scenes."""
    folder = tmp_path_factory.mktemp('data') / 'scenes'
    options = SceneOptions(
        (64, 96), dict(train=8, reward=4, test=4), 0, min_radius=6.0
    )
    make_scenes(folder, options)
    return folder


@pytest.fixture
def config(scenes, monkeypatch, tmp_path):
    """Returns a function that reads a config for these scenes."""
    monkeypatch.setenv('MMADA_SCENES', f'{scenes}/')
    torch.set_num_threads(1)

    def read(name, **options):
        global _count
        _count += 1
        cfg = Config.fromfile(CONFIGS[name])
        cfg.work_dir = str(tmp_path / f'run{_count}')
        cfg.experiment_name = f'integration{_count}'
        cfg.model.init_cfg = None
        cfg.model.objectives = 'cascade_panoptic'
        cfg.log_level = 'ERROR'
        cfg.merge_from_dict(copy.deepcopy(options))
        init_default_scope('mmdet')
        return cfg

    return read
