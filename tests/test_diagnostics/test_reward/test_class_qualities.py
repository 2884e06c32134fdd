"""Qualities of classes, where a metric gives, prints or sums them up."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.evaluation.functional import panoptic_utils
from mmdet.evaluation.metrics import coco_panoptic_metric
from mmengine.evaluator import Evaluator

from mmada.datasets import SceneOptions, make_scenes, scene_metainfo
from mmada.datasets.coco_panoptic import decode_id_map, id_to_rgb
from mmada.diagnostics.reward.class_amounts import ClassAmounts
from mmada.diagnostics.reward.class_qualities import (
    class_iou,
    split_by_class,
    with_classes,
)
from mmada.evaluation import PanopticQuality


class Count:
    """What panopticapi counts of a class."""

    def __init__(self):
        self.iou, self.tp, self.fp, self.fn = 0.0, 0, 0, 0


class Counts:
    """panopticapi's PQStat, which PyPI does not have."""

    def __init__(self):
        self.pq_per_cat = defaultdict(Count)

    def __getitem__(self, category):
        return self.pq_per_cat[category]

    def __iadd__(self, other):
        for category, count in other.pq_per_cat.items():
            for name, value in vars(count).items():
                setattr(
                    self[category], name, getattr(self[category], name) + value
                )
        return self

    def pq_average(self, categories, isthing):
        values = dict(pq=0.5, sq=0.5, rq=0.5, n=1)
        return values, {category: values for category in categories}


def rgb_to_id(rgb):
    return np.asarray(rgb, dtype=np.int64) @ [1, 256, 65536]


@pytest.fixture
def mmdet_metric(monkeypatch):
    """mmdet's metric with what it needs of panopticapi."""
    for name, value in dict(
        panopticapi=True,
        PQStat=Counts,
        VOID=0,
        id2rgb=id_to_rgb,
        rgb2id=rgb_to_id,
    ).items():
        monkeypatch.setattr(coco_panoptic_metric, name, value)
    monkeypatch.setattr(panoptic_utils, 'PQStat', Counts)
    monkeypatch.setattr(panoptic_utils, 'rgb2id', rgb_to_id)
    return coco_panoptic_metric.CocoPanopticMetric


@pytest.fixture
def paths(tmp_path):
    make_scenes(tmp_path / 'scenes', SceneOptions(num=dict(reward=6)))
    folder = tmp_path / 'scenes/annotations'
    return dict(
        ann_file=str(folder / 'panoptic_reward.json'),
        seg_prefix=str(folder / 'panoptic_reward'),
    )


def samples(ann_file, seg_prefix):
    """The truth, shifted, with the first thing called the second."""
    content = json.loads(Path(ann_file).read_text())
    categories = [c['id'] for c in content['categories']]
    for annotation in content['annotations']:
        path = Path(seg_prefix) / annotation['file_name']
        ids = decode_id_map(path.read_bytes())
        labels = np.full(ids.shape, len(categories))
        for k, segment in enumerate(annotation['segments_info'], start=1):
            label = max(1, categories.index(segment['category_id']))
            labels[ids == segment['id']] = label + 1000 * k
        labels = np.roll(labels, 2, axis=1)[None].astype(np.int32)
        yield dict(
            img_id=annotation['image_id'],
            img_path=path.name,
            ori_shape=ids.shape,
            pred_panoptic_seg=dict(sem_seg=torch.from_numpy(labels)),
        )


def evaluate(metrics, found):
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = scene_metainfo()
    for sample in found:
        evaluator.process([sample])
    return evaluator.evaluate(len(found))


def test_pq_of_classes_that_mmdet_does_not_return(mmdet_metric, paths):
    found = [*samples(**paths)]
    theirs = evaluate(with_classes([mmdet_metric(**paths)]), found)
    ours = evaluate(with_classes([PanopticQuality(**paths)]), found)
    classes = scene_metainfo()['classes']
    _, values = split_by_class(theirs, classes)
    _, expected = split_by_class(ours, classes)
    known = {name: expected[name] for name in values}
    assert values == pytest.approx(known)
    assert values[classes[0]] == 0
    assert max(values.values()) > 50
    # Where nothing is true or predicted there is no value.
    assert not any(v for name, v in expected.items() if name not in values)


def test_again_without_what_was_counted_before(mmdet_metric, paths):
    found = [*samples(**paths)]
    evaluator = Evaluator(with_classes([mmdet_metric(**paths)]))
    evaluator.dataset_meta = scene_metainfo()
    values = []
    for count in (len(found), 1, len(found)):
        for sample in found[:count]:
            evaluator.process([sample])
        values.append(evaluator.evaluate(count))
    assert values[0] == values[2] != values[1]


def test_files_have_no_counts(mmdet_metric, paths, tmp_path):
    metric = mmdet_metric(**paths, outfile_prefix=str(tmp_path / 'files'))
    assert with_classes([metric]) == [metric]


def test_qualities_of_classes_are_apart_from_the_other_metrics():
    metrics = {
        'coco_panoptic/PQ': 30.0,
        'coco_panoptic/cat_PQ': 0.0,
        'coco/cat_precision': 0.25,
        'coco_panoptic/dog_PQ': math.nan,
        'bird_PQ': 50.0,
        'coco_panoptic/other_PQ': 1.0,
    }
    assert split_by_class(metrics, ('cat', 'dog', 'bird')) == (
        {'coco_panoptic/PQ': 30.0, 'coco_panoptic/other_PQ': 1.0},
        dict(cat=0.25, bird=50.0),
    )


def test_iou_by_hand():
    """A class that is hit in part, one that is missed, one without truth."""
    shared = np.zeros((5, 5), dtype=int)
    shared[0, 0], shared[0, 2] = 3, 1
    shared[1, 0] = 2
    shared[4, 0] = 99  # pixels without a label
    amounts = ClassAmounts(
        ('sky', 'dog', 'sea', 'sand'),
        *(0, 'IoU', shared.sum(1), shared.sum(0), shared),
        images=1,
        with_things=0,
    )
    assert class_iou(amounts) == dict(sky=50.0, dog=0.0, sea=0.0)
