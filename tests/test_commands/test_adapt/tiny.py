"""Adapted configs, made small enough for a processor and a few images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import CocoPanopticDataset
from mmengine.config import Config, ConfigDict
from PIL import Image

from mmada.commands.command_line import main
from tests.test_docs.test_your_own_detector import write_coco

SCALE = (128, 96)
CHANNELS = (256, 512, 1024, 2048)  # of the stages of a ResNet-50
STEPS = ('Resize', 'RandomChoiceResize', 'RandomResize')
CROPS = ('RandomCrop', 'RandomCenterCropPad')


def adapt(stock: str, out: Path, *options: object) -> Config:
    """Calls the command; returns the config that it wrote."""
    argv = ['adapt', stock, '-o', str(out), *map(str, options)]
    assert main(argv) == 0
    return Config.fromfile(out)


def write_images(folder: Path, count: int = 4) -> None:
    """Writes the data of COCO with all annotations that stock configs read."""
    root = folder / 'data/coco'
    for split in ('train2017', 'val2017'):
        write_coco(root, split, count)
        _write_maps(root, split)


def _write_maps(root: Path, split: str) -> None:
    """Writes panoptic and semantic maps of the rectangles of `write_coco`."""
    path = root / f'annotations/instances_{split}.json'
    content = json.loads(path.read_text())
    classes = CocoPanopticDataset.METAINFO['classes']
    ground = len(classes)
    folders = root / f'annotations/panoptic_{split}', root / 'stuffthingmaps'
    folders = folders[0], folders[1] / split
    for each in folders:
        each.mkdir(parents=True)
    annotations = []
    for image in content['images']:
        shape = image['height'], image['width']
        ids = np.full((*shape, 3), 0, np.uint8)
        ids[..., 0] = 3  # the ground
        parts = [dict(id=3, category_id=ground, iscrowd=0)]
        for k, each in enumerate(_of(content, image['id'])):
            x, y, w, h = each['bbox']
            ids[y : y + h, x : x + w, 0] = k + 1
            category = each['category_id']
            parts.append(dict(id=k + 1, category_id=category, iscrowd=0))
        for part in parts:
            part.update(_shape(ids[..., 0] == part['id']))
        name = image['file_name']
        Image.fromarray(ids).save(folders[0] / name)
        Image.fromarray(ids[..., 0]).save(folders[1] / name)
        annotations.append(
            dict(image_id=image['id'], file_name=name, segments_info=parts)
        )
    content['annotations'] = annotations
    content['categories'] = [
        dict(id=k, name=name, isthing=int(k <= 80))
        for k, name in enumerate(classes, start=1)
    ]
    path = root / f'annotations/panoptic_{split}.json'
    path.write_text(json.dumps(content))


def _of(content: dict[str, Any], image_id: int) -> list[dict[str, Any]]:
    return [a for a in content['annotations'] if a['image_id'] == image_id]


def _shape(mask: Any) -> dict[str, Any]:
    y, x = np.nonzero(mask)
    box = x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1
    return dict(area=int(mask.sum()), bbox=[int(v) for v in box])


def shrink(cfg: Config) -> None:
    """Changes sizes, and what a processor or a machine alone lacks."""
    _shrink_backbone(cfg.model)
    for node in nodes(cfg._cfg_dict):
        kind = node.get('type')
        if kind in STEPS:
            node.update({'scales': [SCALE]} if 'scales' in node else {})
            node.update({'scale': SCALE} if 'scale' in node else {})
        if kind in CROPS:
            node['crop_size'] = (96, 96)
        if kind in ('SyncBN', 'MMSyncBN'):
            node['type'] = 'BN'
        if kind == 'RandomSampler':
            node['num'] = min(node['num'], 16)
        for key in ('nms_pre', 'max_per_img'):
            node.update({key: 32} if key in node else {})
        for key in ('init_cfg', 'pretrained', 'batch_augments'):
            node.pop(key, None)
        if 'num_workers' in node:
            node.update(num_workers=0, persistent_workers=False, batch_size=2)
    if cfg.optim_wrapper.get('type') == 'AmpOptimWrapper':
        cfg.optim_wrapper.type = 'OptimWrapper'
        for key in ('loss_scale', 'dtype'):
            cfg.optim_wrapper.pop(key, None)
    cfg.log_level = 'ERROR'


def _shrink_backbone(model: ConfigDict) -> None:
    """Takes a ResNet of a quarter of the channels, where there is one."""
    if model.backbone.type != 'ResNet':
        return
    model.backbone.depth = 18
    for node in nodes(model):
        found = node.get('in_channels')
        if isinstance(found, list | tuple) and set(found) <= set(CHANNELS):
            node['in_channels'] = [n // 4 for n in found]
        elif found == CHANNELS[-1]:
            node['in_channels'] = found // 4


def two_iterations(cfg: Config) -> None:
    """Makes a training of it that ends after two iterations."""
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=2)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None


def nodes(value: Any) -> list[ConfigDict]:
    """Returns all dicts of a config, itself among them."""
    if isinstance(value, dict):
        inner = [node for child in value.values() for node in nodes(child)]
        return [value, *inner]
    if isinstance(value, list | tuple):
        return [node for child in value for node in nodes(child)]
    return []
