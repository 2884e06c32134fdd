"""AP on resampled images, against evaluating the drawn images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmada.engine.reward import RewardMetric
from mmada.evaluation import SubsetCocoMetric
from mmada.evaluation.resampling import draw_images

CLASSES = ('cat', 'dog', 'cow')
SIZE = (64, 96)


def boxes(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Up to four objects: boxes (x1, y1, x2, y2) and labels."""
    rng = np.random.default_rng(seed)
    number = int(rng.integers(5))
    corner = rng.integers(0, 40, (number, 2))
    side = rng.integers(8, 24, (number, 2))
    return (
        torch.tensor(np.hstack([corner, corner + side]), dtype=torch.float),
        torch.tensor(rng.integers(2, size=number)),  # never a cow
    )


def prediction(image_id: int, seed: int) -> dict[str, Any]:
    """Boxes near those of the truth and some elsewhere, scores in tenths."""
    rng = np.random.default_rng(seed + 1000)
    found, labels = boxes(seed)
    shift = torch.tensor(rng.integers(-4, 5, (len(found), 1)))
    more, others = boxes(seed + 500)
    found, labels = (
        torch.cat([found + shift, more]),
        torch.cat([labels, others]),
    )
    masks = torch.zeros(len(found), *SIZE, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(
        masks, found.int().clamp(0), strict=True
    ):
        mask[y1:y2, x1:x2] = True
    scores = torch.tensor(rng.integers(1, 10, len(found)) / 10)
    return dict(
        img_id=image_id,
        ori_shape=SIZE,
        pred_instances=dict(
            bboxes=found, labels=labels, scores=scores, masks=masks
        ),
    )


def write(path: Path, seeds: dict[int, int]) -> str:
    """Write the truth of images whose objects are of a seed, by id."""
    annotations: list[dict[str, Any]] = []
    for image_id, seed in seeds.items():
        for k, (box, label) in enumerate(zip(*boxes(seed), strict=True)):
            x1, y1, x2, y2 = box.tolist()
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=int(label) + 1,
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=(x2 - x1) * (y2 - y1),
                    segmentation=[[x1, y1, x2, y1, x2, y2, x1, y2]],
                    iscrowd=int(k == 3),
                )
            )
    images = [
        dict(id=i, height=SIZE[0], width=SIZE[1], file_name='') for i in seeds
    ]
    categories = [dict(id=k, name=n) for k, n in enumerate(CLASSES, 1)]
    path.write_text(
        json.dumps(
            dict(images=images, annotations=annotations, categories=categories)
        )
    )
    return str(path)


def evaluate(
    path: Path, seeds: dict[int, int], **options: Any
) -> dict[str, Any]:
    metric = SubsetCocoMetric(write(path, seeds), **options)
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, [prediction(i, seed) for i, seed in seeds.items()])
    return metric.evaluate(len(seeds))


@pytest.mark.parametrize('use_mp_eval', [False, True])
def test_equal_to_evaluating_the_drawn_images(
    tmp_path: Path, use_mp_eval: bool
) -> None:
    seeds = {10 * k: k for k in range(1, 9)}
    options: dict[str, Any] = dict(metric=['bbox', 'segm'])
    options['use_mp_eval'] = use_mp_eval
    found = evaluate(tmp_path / 'all.json', seeds, resamples=3, **options)
    for b, drawn in enumerate(draw_images(8, 3)):
        copies = {
            100 * i + copy: seed
            for (i, seed), times in zip(seeds.items(), drawn, strict=True)
            for copy in range(times)
        }
        expected = evaluate(tmp_path / f'{b}.json', copies, **options)
        for kind in ('bbox', 'segm'):
            for item in ('mAP', 'mAP_50', 'mAP_75'):
                key = f'coco/{kind}_{item}'
                value = found[f'{key}_resamples'][b]
                assert value == pytest.approx(expected[key], abs=1e-12)
                assert 0 < value < 1


def test_a_reward_of_two_metrics_is_resampled(tmp_path: Path) -> None:
    seeds = {k: k for k in range(1, 5)}
    options: dict[str, Any] = dict(metric=['bbox', 'segm'], resamples=4)
    found = evaluate(tmp_path / 'all.json', seeds, **options)
    weights = {'coco/bbox_mAP': 0.5, 'coco/segm_mAP': 0.25}
    expected = [
        0.5 * bbox + 0.25 * segm
        for bbox, segm in zip(
            *(found[f'{key}_resamples'] for key in weights), strict=True
        )
    ]
    assert RewardMetric(weights).score(found).resamples == expected


def test_a_draw_without_an_object_is_nan(tmp_path: Path) -> None:
    empty = next(s for s in range(100) if not len(boxes(s)[0]))
    full = next(s for s in range(100) if len(boxes(s)[0]) > 1)
    seeds = {1: empty, 2: full}
    found = evaluate(tmp_path / 'two.json', seeds, resamples=20)
    without = [not drawn[1] for drawn in draw_images(2, 20)]
    assert any(without) and not all(without)
    assert np.isnan(found['coco/bbox_mAP_resamples']).tolist() == without


def test_no_draws_are_no_lists(tmp_path: Path) -> None:
    found = evaluate(tmp_path / 'one.json', {1: 1, 2: 2})
    assert not [key for key in found if 'resamples' in key]


@pytest.mark.parametrize('number', [-1, 2.0, True])
def test_what_is_no_number_of_draws_is_refused(number: object) -> None:
    with pytest.raises(ValueError, match='`resamples` should be an integer'):
        SubsetCocoMetric(resamples=number)
