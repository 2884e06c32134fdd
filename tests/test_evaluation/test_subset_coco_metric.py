"""AP of held-out images, against CocoMetric on a file of them alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from mmengine.registry import TRANSFORMS

from mmada.engine.reward import RewardEvaluator
from mmada.evaluation import SubsetCocoMetric, score_of_nothing

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
        images=[
            dict(id=i, width=96, height=64, file_name='') for i in image_ids
        ],
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
    known = {k: v if v != -1 else math.nan for k, v in expected.items()}
    # CocoMetric rounds to three digits.
    assert found == pytest.approx(known, rel=0, abs=5.1e-4, nan_ok=True)
    assert 0 < found['coco/bbox_mAP'] < 1 and 0 < found['coco/segm_mAP'] < 1
    whole = evaluate(CocoMetric(all_images, **BOTH), *samples)
    assert whole['coco/bbox_mAP'] < found['coco/bbox_mAP']


def test_ap_has_all_its_digits(all_images: str) -> None:
    """A reward of 0.1234 and one of 0.1226 are not the same."""
    metric = SubsetCocoMetric(all_images, metric=['proposal', 'bbox'])
    value = evaluate(metric, *map(sample, SEEN))['coco/bbox_mAP']
    assert value != round(value, 3)
    assert value == pytest.approx(round(value, 3), abs=5.1e-4)


def test_a_second_evaluation_may_be_of_other_images(all_images: str) -> None:
    metric = SubsetCocoMetric(all_images)
    first = evaluate(metric, sample(2))
    other = evaluate(metric, *map(sample, SEEN))
    assert other['coco/bbox_mAP'] != first['coco/bbox_mAP']
    again = evaluate(metric, sample(2))
    assert again == pytest.approx(first, rel=0, abs=0, nan_ok=True)


def test_a_model_that_finds_nothing_scores_zero(all_images: str) -> None:
    nothing = [sample(i, found=False) for i in SEEN]
    assert evaluate(CocoMetric(all_images, **BOTH), *nothing) == {}
    found = evaluate(SubsetCocoMetric(all_images, **BOTH), *nothing)
    something = evaluate(SubsetCocoMetric(all_images, **BOTH), sample(2))
    assert list(found) == list(something)
    # All objects are of 600 pixels, which is small.
    assert {k for k, v in found.items() if v == 0} == {
        f'coco/{k}' for k in KEYS if k[-1] not in 'ml'
    }


@pytest.mark.parametrize('found', [True, False])
def test_what_has_no_truth_is_nan_whatever_is_found(
    all_images: str, found: bool
) -> None:
    metric = SubsetCocoMetric(all_images, classwise=True, **BOTH)
    values = evaluate(metric, *[sample(i, found) for i in SEEN])
    missing = {key for key, value in values.items() if math.isnan(value)}
    assert missing == {f'coco/{k}' for k in KEYS if k[-1] in 'ml'}


def test_images_without_an_object_have_no_ap_at_all(tmp_path: Path) -> None:
    content = json.loads(Path(write(tmp_path / 'one.json', (2,))).read_text())
    content['annotations'] = []
    path = tmp_path / 'none.json'
    path.write_text(json.dumps(content))
    for found in (True, False):
        values = evaluate(SubsetCocoMetric(str(path)), sample(2, found))
        assert all(map(math.isnan, values.values()))


@pytest.mark.parametrize('kind', [CocoMetric, SubsetCocoMetric])
@pytest.mark.parametrize('has_file', [True, False])
def test_the_score_of_nothing_needs_no_model(
    all_images: str, kind: type[CocoMetric], has_file: bool
) -> None:
    metric = kind(all_images if has_file else None, **BOTH)
    metric.dataset_meta = dict(classes=CLASSES)
    images = [
        dict(
            img_id=i,
            height=64,
            width=96,
            instances=[
                dict(bbox=box, bbox_label=label, mask=[[2, 4, 9, 4, 9, 9]])
                for label, box in objects(i)
            ],
        )
        for i in SEEN
    ]
    found = score_of_nothing(metric, images)
    for key in KEYS:
        expected = 0 if key[-1] not in 'ml' else -1
        if expected == -1 and kind is SubsetCocoMetric:
            assert math.isnan(found[key])
        else:
            assert found[key] == expected


class Finder(torch.nn.Module):
    """Finds objects with a shift, in images known by their ids."""

    def val_step(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [sample(image_id) for image_id in batch['img_id']]


@TRANSFORMS.register_module()
class KeepImageId(BaseTransform):
    """Reads no image."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        return dict(img_id=results['img_id'])


def evaluator(
    path: str, reward: str | dict[str, float], kind: str
) -> RewardEvaluator:
    dataset = dict(
        type='mmdet.CocoDataset',
        ann_file=path,
        data_prefix=dict(img=''),
        metainfo=dict(classes=CLASSES),
        pipeline=[dict(type='KeepImageId')],
        test_mode=True,
    )
    dataloader = dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dataset,
    )
    return RewardEvaluator(
        dataloader, dict(type=kind, ann_file=path), reward, seed=0
    )


@pytest.mark.parametrize('kind', ['mmdet.CocoMetric', 'SubsetCocoMetric'])
@pytest.mark.parametrize(
    'reward',
    ['coco/bbox_mAP_l', {'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_l': 0.5}],
)
def test_a_reward_without_truth_is_refused(
    all_images: str, kind: str, reward: str | dict[str, float]
) -> None:
    with pytest.raises(
        ValueError,
        match="`reward_metric` should be what the .* Found 'coco/bbox_mAP_l'",
    ):
        evaluator(all_images, reward, kind).check(Finder())
    usable = evaluator(all_images, 'coco/bbox_mAP_s', kind)
    usable.check(Finder())
    score = usable.score(Finder())
    assert 0 < score.value < 1
    assert math.isnan(score.metrics['coco/bbox_mAP_l'])


def test_the_asked_for_items_alone(all_images: str) -> None:
    metric = SubsetCocoMetric(all_images, metric_items=['mAP_50'])
    nothing = evaluate(metric, sample(2, found=False))
    assert nothing == {'coco/bbox_mAP_50': 0.0}
