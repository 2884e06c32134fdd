"""A model that knows the truth, as far as it is allowed to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.structures import PixelData

from mmada.datasets import SceneOptions, make_scenes
from mmada.datasets.coco_panoptic import decode_id_map
from tests.support.trained_scenes import read_config

NUM_IMAGES = 3


@MODELS.register_module()
class Oracle(BaseModel):
    """Predicts the truth without the objects of some categories.

    Args:
        ann_file: Of the truth.
        blind: Categories that it does not see.
        calls: File that gets a line for each batch.
    """

    def __init__(self, ann_file, blind=(), calls='', init_cfg=None):
        super().__init__()
        path = Path(ann_file)
        content = json.loads(path.read_text())
        self.ids = [c['id'] for c in content['categories']]
        self.annotations = {a['image_id']: a for a in content['annotations']}
        self.folder = path.with_suffix('')
        self.blind = set(blind)
        self.calls = calls

    def forward(self, inputs, data_samples=None, mode='tensor'):
        raise NotImplementedError

    def val_step(self, data):
        with Path(self.calls).open('a') as log:
            log.write('batch\n')
        for sample in data['data_samples']:
            found = torch.from_numpy(self._labels(sample.img_id))
            sample.pred_panoptic_seg = PixelData(sem_seg=found[None])
        return data['data_samples']

    def _labels(self, image):
        annotation = self.annotations[image]
        data = (self.folder / annotation['file_name']).read_bytes()
        ids = decode_id_map(data)
        labels = np.full(ids.shape, len(self.ids))
        for k, segment in enumerate(annotation['segments_info']):
            if segment['category_id'] not in self.blind:
                label = self.ids.index(segment['category_id']) + 1000 * k
                labels[ids == segment['id']] = label
        return labels


def make_models(folder: Path, blind: int = 1) -> tuple[Path, Path]:
    """Make the work directories of a blind model and of a perfect one."""
    scenes = folder / 'scenes'
    options = SceneOptions((64, 96), dict(test=NUM_IMAGES), 0, min_radius=6.0)
    make_scenes(scenes, options)
    cfg = read_config('baselines/cascade_panoptic_tiny_scenes_ones.py', scenes)
    names = ['mmada', 'tests.test_visualization.test_report.oracle']
    cfg.custom_imports = dict(imports=names)
    runs = []
    for name, seen in (('blind', [blind]), ('perfect', [])):
        run = folder / name
        run.mkdir()
        cfg.model = dict(
            type='Oracle',
            ann_file=cfg.test_evaluator.ann_file,
            blind=seen,
            calls=str(run / 'calls.txt'),
        )
        cfg.dump(run / 'config.py')
        torch.save(dict(state_dict={}), run / 'epoch_1.pth')
        runs.append(run)
    return runs[0], runs[1]
