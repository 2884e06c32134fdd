"""AP of held-out images, against CocoMetric on a file of them alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS

from mmada.evaluation import SubsetCocoMetric

SEEN = (2, 5, 6)
CLASSES = ('cat', 'dog')
BOTH = dict(metric=['bbox', 'segm'])
KEYS = [
    f'{kind}_{item}'
    for kind in ('bbox', 'segm')
    for item in ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
]


def objects(image_id: int) -> list[tuple[int, list[float]]]:
    """Label and box of each object of an image."""
    rng = np.random.default_rng(image_id)
    return [
        (int(rng.integers(2)), [float(v) for v in (x, 4, x + 20, 34)])
        for x in (2, 34, 66)
    ]


def write(path: Path, image_ids: tuple[int, ...]) -> str:
    annotations = [
        dict(
            image_id=image_id,
            category_id=label + 1,
            bbox=[x1, y1, x2 - x1, y2 - y1],
            area=(x2 - x1) * (y2 - y1),
            segmentation=[[x1, y1, x2, y1, x2, y2, x1, y2]],
            iscrowd=0,
        )
        for image_id in image_ids
        for label, (x1, y1, x2, y2) in objects(image_id)
    ]
    content = dict(
        images=[dict(id=i, width=96, height=64) for i in image_ids],
        annotations=[dict(a, id=k) for k, a in enumerate(annotations, 1)],
        categories=[dict(id=k, name=n) for k, n in enumerate(CLASSES, 1)],
    )
    path.write_text(json.dumps(content))
    return str(path)


def sample(image_id: int, found: bool = True) -> dict[str, Any]:
    """A prediction that shifts boxes, more in images of a higher id."""
    truth = objects(image_id)[: 3 if found else 0]
    boxes = torch.tensor([box for _, box in truth]).reshape(-1, 4)
    boxes += image_id
    masks = torch.zeros(len(boxes), 64, 96, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int(), strict=True):
        mask[y1:y2, x1:x2] = True
    return dict(
        img_id=image_id,
        ori_shape=(64, 96),
        pred_instances=dict(
            bboxes=boxes,
            labels=torch.tensor([label for label, _ in truth]),
            scores=torch.linspace(0.9, 0.6, len(boxes)),
            masks=masks,
        ),
    )


def evaluate(metric: Any, *samples: dict[str, Any]) -> dict[str, float]:
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


@pytest.fixture
def all_images(tmp_path: Path) -> str:
    return write(tmp_path / 'all.json', tuple(range(1, 9)))


def test_equal_to_a_file_of_the_evaluated_images(
    tmp_path: Path, all_images: str
) -> None:
    part = CocoMetric(write(tmp_path / 'part.json', SEEN), **BOTH)
    samples = [sample(i) for i in SEEN]
    expected = evaluate(part, *samples)
    config = dict(type='SubsetCocoMetric', ann_file=all_images, **BOTH)
    metric = METRICS.build(config)
    found = evaluate(metric, *samples)
    assert found == expected
    assert 0 < found['coco/bbox_mAP'] < 1 and 0 < found['coco/segm_mAP'] < 1
    whole = evaluate(CocoMetric(all_images, **BOTH), *samples)
    assert whole['coco/bbox_mAP'] < found['coco/bbox_mAP']


def test_a_second_evaluation_may_be_of_other_images(all_images: str) -> None:
    metric = SubsetCocoMetric(all_images)
    first = evaluate(metric, sample(2))
    assert evaluate(metric, *map(sample, SEEN)) != first
    assert evaluate(metric, sample(2)) == first


def test_a_model_that_finds_nothing_scores_zero(all_images: str) -> None:
    nothing = [sample(i, found=False) for i in SEEN]
    assert evaluate(CocoMetric(all_images, **BOTH), *nothing) == {}
    found = evaluate(SubsetCocoMetric(all_images, **BOTH), *nothing)
    keys = evaluate(SubsetCocoMetric(all_images, **BOTH), sample(2))
    assert found.items() <= {f'coco/{k}': 0.0 for k in KEYS}.items()
    assert found.keys() == {k for k in keys if 'copypaste' not in k}


def test_the_asked_for_items_alone(all_images: str) -> None:
    metric = SubsetCocoMetric(all_images, metric_items=['mAP_50'])
    nothing = evaluate(metric, sample(2, found=False))
    assert nothing == {'coco/bbox_mAP_50': 0.0}
