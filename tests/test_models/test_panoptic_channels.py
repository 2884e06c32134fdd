"""Training and prediction agree on what each semantic channel means.

Where they do not, losses fall and panoptic quality stays near zero.
"""

from __future__ import annotations

import json
from pathlib import Path

import mmdet
import numpy as np
import pytest
import torch
from mmdet.datasets import CocoPanopticDataset
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData, PixelData
from torch import nn

from mmada.datasets.coco_panoptic import id_to_rgb, write_png
from mmada.evaluation import PanopticQuality

CONFIGS = Path(__file__).resolve().parents[2] / 'configs/_base_/models'
RELEASED = (
    Path(mmdet.__file__).parent
    / '.mim/configs/panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'
)
IGNORE = 255
BLOCK = 64  # pixels a side: just what stuff needs to be kept, 4096 in all


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def detector_config(name):
    model = Config.fromfile(CONFIGS / f'{name}.py').model
    return model.get('detector', model)


@pytest.fixture(
    params=[
        'panoptic_fpn_r50',
        'cascade_panoptic_r50_fpn',
        'cascade_panoptic_tiny',
    ]
)
def heads(request):
    """Semantic head and fusion head of a config."""
    config = detector_config(request.param)
    fusion = config.panoptic_fusion_head
    fusion.test_cfg = config.test_cfg.panoptic
    return MODELS.build(config.semantic_head), MODELS.build(fusion)


def blocks(num_classes):
    """A map with a block of each class and one that belongs to none."""
    labels = torch.tensor([*range(num_classes), IGNORE])
    return labels.repeat_interleave(BLOCK).expand(BLOCK, -1)


class Recorder(nn.Module):
    """Stands in for a loss and keeps its target."""

    def forward(self, logits, target):
        self.channels = logits.shape[1]
        self.target = target
        return logits.sum()


def target_of(head, labels, monkeypatch):
    """Returns the channels that the loss of a head asks for."""
    sample = DetDataSample()
    sample.gt_sem_seg = PixelData(sem_seg=labels[None])
    head.loss_seg = Recorder()
    height, width = (round(n * head.seg_rescale_factor) for n in labels.shape)
    empty = torch.zeros(1, head.num_classes, height, width)
    monkeypatch.setattr(head, 'forward', lambda x: dict(seg_preds=empty))
    head.loss([], [sample])
    assert head.loss_seg.channels == head.num_classes
    return head.loss_seg.target.view(height, width)


def logits_of(target, channels, shape):
    """Returns logits that are sure of a target."""
    known = target.clamp(max=channels - 1)
    sure = nn.functional.one_hot(known.long(), channels).permute(2, 0, 1)
    return nn.functional.interpolate(sure[None].float(), size=shape)[0]


def instances(labels, num_things):
    """Returns true masks of the first classes."""
    masks = torch.stack([labels == k for k in range(num_things)])
    return InstanceData(
        bboxes=torch.zeros(num_things, 4),
        labels=torch.arange(num_things),
        scores=torch.ones(num_things),
        masks=masks,
    )


def fuse(fusion, found, logits):
    (result,) = fusion.predict([found], [logits])
    return result.sem_seg[0]


def test_a_head_that_learned_its_target_predicts_the_truth(heads, monkeypatch):
    head, fusion = heads
    things = head.num_things_classes
    labels = blocks(fusion.num_classes)
    target = target_of(head, labels, monkeypatch)
    logits = logits_of(target, head.num_classes, labels.shape)
    with_things = fuse(fusion, instances(labels, things), logits) % 1000
    known = labels != IGNORE
    assert torch.equal(with_things[known].long(), labels[known])

    # Without an instance, things are void and nothing else changes.
    none = instances(labels, things)[:0]
    alone = fuse(fusion, none, logits)
    stuff = known & (labels >= things)
    assert torch.equal(alone[stuff].long(), labels[stuff])
    assert (alone[labels < things] == fusion.num_classes).all()


def test_pixels_of_no_class_teach_nothing(heads, monkeypatch):
    head, fusion = heads
    asked = head.loss_seg.ignore_index
    labels = blocks(fusion.num_classes)
    target = target_of(head, labels, monkeypatch)
    assert (target[:, -BLOCK // 4 :] == asked).all()


@pytest.mark.skipif(
    not RELEASED.is_file(), reason='mmdet was installed without its configs'
)
def test_released_weights_fit_our_panoptic_fpn():
    released = Config.fromfile(RELEASED).model
    ours = detector_config('panoptic_fpn_r50')
    shapes = []
    for config in (released, ours):
        config.backbone.init_cfg = None
        detector = MODELS.build(config)
        entries = detector.state_dict()
        shapes.append({k: tuple(v.shape) for k, v in entries.items()})
    assert shapes[0] == shapes[1]
    assert released.data_preprocessor == ours.data_preprocessor
    assert released.test_cfg.panoptic == ours.test_cfg.panoptic
    assert released.semantic_head.num_things_classes == 80


@pytest.fixture
def stuff_first(tmp_path):
    """Files of one thing and one stuff class, stuff listed first."""
    write_png(tmp_path / '1.png', id_to_rgb(np.array([[7, 7, 9, 9]])))
    segments = [
        dict(id=7, category_id=1, area=2, bbox=[0, 0, 2, 1], iscrowd=0),
        dict(id=9, category_id=2, area=2, bbox=[2, 0, 2, 1], iscrowd=0),
    ]
    content = dict(
        images=[dict(id=1, file_name='1.png', height=1, width=4)],
        annotations=[
            dict(image_id=1, file_name='1.png', segments_info=segments)
        ],
        categories=[
            dict(id=1, name='other', isthing=0),
            dict(id=2, name='field', isthing=1),
        ],
    )
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    return tmp_path


def test_stuff_first_makes_things_background_and_is_refused(stuff_first):
    # Whatever the order of the classes, the file's order numbers them.
    dataset = CocoPanopticDataset(
        ann_file=f'{stuff_first}/ann.json',
        data_prefix=dict(img=f'{stuff_first}', seg=f'{stuff_first}'),
        metainfo=dict(
            classes=('field', 'other'),
            thing_classes=('field',),
            stuff_classes=('other',),
        ),
    )
    (thing,) = dataset.get_data_info(0)['instances']
    num_things = 1
    assert thing['bbox_label'] == num_things  # what box heads call background

    metric = PanopticQuality(f'{stuff_first}/ann.json', str(stuff_first))
    with pytest.raises(
        ValueError, match="Things should come .* Found 'other' first"
    ):
        metric.dataset_meta = dataset.metainfo
