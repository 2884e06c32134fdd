"""Each family of configs/paper on narrow layers, in its real label set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmada.engine import load_policy
from tests.support.label_sets import write_dataset, write_held_out
from tests.support.paper_runs import PAPER

pytestmark = pytest.mark.slow

CASCADE, FPN = 'cascade-panoptic_r50-dcn-fpn', 'panoptic-fpn_r50-fpn'
FAMILIES = {
    'cascade-coco': f'coco/{CASCADE}_{{}}_8xb2-1x_coco',
    'fpn-coco': f'coco/{FPN}_{{}}_8xb2-1x_coco',
    'cascade-ade20k': f'ade20k/{CASCADE}_{{}}_8xb2-24e_ade20k',
    'fpn-ade20k': f'ade20k/{FPN}_{{}}_8xb2-24e_ade20k',
}
CLASSES = dict(coco=(80, 53), ade20k=(100, 50))
CHANNELS = {
    'in_channels',
    'out_channels',
    'feat_channels',
    'conv_out_channels',
    'inner_channels',
    'fc_out_channels',
    'num_groups',
}
SMALL = dict(num_workers=0, persistent_workers=False, scale=(128, 96))


def shrink(node):
    """Divides all widths by eight, and images and workers likewise."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(children):
        if isinstance(value, (dict, list)) and key not in CHANNELS:
            shrink(value)
        elif key in CHANNELS:
            node[key] = eighth(value)
        elif key in SMALL:
            node[key] = SMALL[key]


def eighth(value):
    return [v // 8 for v in value] if isinstance(value, list) else value // 8


def read(name, **options):
    """Returns a full-size config, made small."""
    cfg = Config.fromfile(PAPER / f'{name}.py')
    cfg.work_dir = f'work_dirs/{Path(name).name}'
    shrink(cfg._cfg_dict)
    cfg.merge_from_dict(
        {
            'model.detector.backbone.base_channels': 8,
            'model.detector.backbone.init_cfg': None,
            'train_dataloader.batch_size': 2,
            'visualizer.name': name,  # MMEngine keeps one for each name
            'log_level': 'ERROR',
            **options,
        }
    )
    return cfg


def search(name):
    return read(
        name,
        **{
            'train_cfg.num_rounds': 2,
            'train_cfg.ranks_per_replica': 1,
            'train_cfg.controller.num_replicas': 2,
        },
    )


def write_data(cfg):
    things = cfg.model.detector.panoptic_fusion_head.num_things_classes
    subset = cfg.train_dataloader.dataset
    write_dataset(subset.dataset, things, num_images=6)
    write_held_out(subset, num_listed=2)
    write_dataset(cfg.val_dataloader.dataset, things, num_images=2, seed=1)


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # A Runner formats its config twice, which takes longer than the rest.
    monkeypatch.setattr(Config, 'pretty_text', '')
    torch.set_num_threads(1)
    init_default_scope('mmdet')


@pytest.mark.slow
@pytest.mark.parametrize('family', FAMILIES)
def test_two_rounds_and_an_adapted_epoch(family):
    name = FAMILIES[family]
    cfg = search(name.format('ada-segment-search'))
    write_data(cfg)
    runner = Runner.from_cfg(cfg)
    classes = runner.train_loop.loader.template.dataset.metainfo['classes']
    assert len(classes) == sum(CLASSES[name.split('/')[0]])
    runner.train()
    searched(Path(cfg.work_dir), 10 if 'cascade' in family else 4)

    cfg = read(name.format('ada-segment'), **{'train_cfg.max_epochs': 1})
    (hook,) = (h for h in cfg.custom_hooks if h.type == 'PolicyWeightingHook')
    hook.fallback = 'policy'  # nothing is learned of so small a model
    runner = Runner.from_cfg(cfg)
    runner.train()
    adapted(Path(cfg.work_dir))
    quality = runner.message_hub.get_scalar('val/coco_panoptic/PQ')
    assert 0 <= quality.current() <= 100


def searched(work_dir, num_objectives):
    """Checks what two rounds of a search left."""
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    assert len(lines) == 2
    ensemble = load_policy(work_dir / 'policy.safetensors')
    assert (ensemble.num_rounds, len(ensemble.objectives)) == (
        2,
        num_objectives,
    )
    assert (work_dir / 'explored.pth').exists()


def adapted(work_dir):
    """Checks what an epoch with the search's policy left."""
    (row,) = (work_dir / 'weights.jsonl').read_text().splitlines()
    weights = json.loads(row)['weights']
    assert min(weights) > 0
    assert len(set(weights)) == len(weights)
    assert (work_dir / 'epoch_1.pth').exists()
