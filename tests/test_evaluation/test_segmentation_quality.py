"""SegmentationQuality: data samples in, six metrics in percent out."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import METRICS
from mmengine.structures import BaseDataElement, PixelData

from mmada.evaluation import (
    SegmentationQuality,
    SemanticCounts,
    count_semantic,
    semantic_quality,
)

from .label_maps import label_map

CLASSES = ('sky', 'sea', 'sand', 'ship')
NAMES = ['mIoU', 'FWIoU', 'mAcc', 'gAcc', 'BIoU', 'BF1']


def samples(number=5, key='sem_seg', ignore=255, size=(20, 24)):
    """Truth with a corner without labels, and predictions of it."""
    found = []
    for seed in range(number):
        truth = label_map(seed, 4, size, 8)
        truth[:4, :6] = ignore
        predicted = label_map(seed + 100, 4, size, 8)
        found.append(
            dict(
                img_path=f'{seed}.png',
                gt_sem_seg={key: truth[None].int()},
                pred_sem_seg={key: predicted[None]},
            )
        )
    return found


def metric(**options):
    built = SegmentationQuality(**options)
    built.dataset_meta = dict(classes=CLASSES)
    return built


def evaluate(built, batch):
    for k in range(0, len(batch), 2):
        built.process({}, batch[k : k + 2])
    return built.evaluate(len(batch))


def test_values_are_those_of_summed_counts_in_percent() -> None:
    total = 0
    for sample in samples():
        truth = sample['gt_sem_seg']['sem_seg'][0].long()
        total += count_semantic(
            truth.masked_fill(truth == 255, 4),
            sample['pred_sem_seg']['sem_seg'][0],
            4,
            3,
            1,
        )
    expected = semantic_quality(SemanticCounts(*total), 1)
    found = evaluate(metric(tolerance=3, background=1), samples())
    assert list(found) == [f'semantic/{name}' for name in NAMES]
    for name in NAMES:
        assert found[f'semantic/{name}'] == 100 * expected[name]
        assert 0 < expected[name] < 1


def test_a_perfect_prediction_is_a_hundred() -> None:
    batch = samples()
    for sample in batch:
        sample['pred_sem_seg'] = dict(
            sem_seg=sample['gt_sem_seg']['sem_seg'] % 255
        )
    found = evaluate(metric(), batch)
    areas = [found[f'semantic/{name}'] for name in NAMES[:5]]
    assert areas == pytest.approx([100] * 5)


def test_both_toolboxes_give_the_same() -> None:
    """Elements with sem_seg or data, and names as a config has them."""
    config = dict(type='SegmentationQuality', classes_of='ground_truth')
    assert type(METRICS.build(config)) is SegmentationQuality
    results = []
    for key in ('sem_seg', 'data'):
        evaluator = Evaluator([config])
        evaluator.dataset_meta = dict(classes=CLASSES)
        elements = []
        for sample in samples(key=key):
            element = BaseDataElement(
                metainfo=dict(img_path=sample['img_path'])
            )
            for name in ('gt_sem_seg', 'pred_sem_seg'):
                setattr(element, name, PixelData(**sample[name]))
            elements.append(element)
        evaluator.process(elements, {})
        results.append(evaluator.evaluate(len(elements)))
    assert results[0] == results[1]
    expected = evaluate(metric(classes_of='ground_truth'), samples())
    assert results[0] == expected


def test_what_is_predicted_on_ignored_pixels_is_in_no_area() -> None:
    batch = samples()
    before = evaluate(metric(), batch)
    for sample in batch:
        ignored = sample['gt_sem_seg']['sem_seg'] == 255
        sample['pred_sem_seg']['sem_seg'][ignored] = 3
    after = evaluate(metric(), batch)
    for name in NAMES[:5]:
        assert before[f'semantic/{name}'] == after[f'semantic/{name}']


def test_another_label_may_be_ignored() -> None:
    found = evaluate(metric(ignore_index=-1), samples(ignore=-1))
    assert found == evaluate(metric(), samples())
    # A label of a class may be one as well.
    found = evaluate(metric(ignore_index=3), samples(ignore=3))
    assert (
        found['semantic/gAcc']
        != evaluate(metric(), samples(ignore=3))['semantic/gAcc']
    )


def test_the_value_does_not_depend_on_ranks_and_order() -> None:
    batch = samples()
    expected = evaluate(metric(), batch)
    records = []
    for rank in range(2):
        built = metric()
        built.process({}, batch[rank::2])
        assert len(built.results) == len(batch[rank::2])
        records += built.results
    found = metric().compute_metrics(records)
    assert {f'semantic/{k}': v for k, v in found.items()} == expected


def test_evaluating_again_starts_anew() -> None:
    built = metric()
    first = evaluate(built, samples(2))
    assert evaluate(built, samples(4)) != first
    assert evaluate(built, samples(2)) == first


def test_an_average_over_no_class_is_nan_with_a_warning(monkeypatch) -> None:
    said = []
    monkeypatch.setattr(
        'mmada.evaluation.segmentation_quality.print_log',
        lambda text, **_: said.append(text),
    )
    whole = torch.zeros(1, 6, 6, dtype=torch.int64)
    sample = dict(
        gt_sem_seg=dict(sem_seg=whole), pred_sem_seg=dict(sem_seg=whole)
    )
    found = evaluate(metric(), [sample])
    assert [k for k, v in found.items() if math.isnan(v)] == [
        'semantic/BIoU',
        'semantic/BF1',
    ]
    assert said == [
        'BIoU, BF1 of a segmentation: NaN, since there is no class to '
        'average over.'
    ]
    evaluate(metric(), samples())
    assert len(said) == 1


def test_without_images_all_is_nan() -> None:
    MMLogger.get_current_instance()
    assert all(map(math.isnan, metric().compute_metrics([]).values()))


def test_the_number_of_classes_may_differ_from_the_data_sets() -> None:
    built = SegmentationQuality(num_classes=4)
    assert evaluate(built, samples()) == evaluate(metric(), samples())
    built = metric(num_classes=3)
    with pytest.raises(ValueError, match=r'image 0.png: true .* 0..2.*\[3\]'):
        built.process({}, samples())


def changed(name, key, value):
    sample = samples(1)[0]
    sample[name][key] = value
    return sample


@pytest.mark.parametrize(
    ('sample', 'message'),
    [
        (dict(img_path='0.png'), r'pred_sem_seg should have .* Found \[\]'),
        (
            changed('pred_sem_seg', 'sem_seg', torch.zeros(20, 24)),
            r'pred_sem_seg should .*\(20, 24\)',
        ),
        (
            changed('gt_sem_seg', 'sem_seg', torch.zeros(1, 20, 23)),
            r'same size. Found \(20, 23\) and \(20, 24\)',
        ),
        (
            changed('pred_sem_seg', 'sem_seg', torch.full((1, 20, 24), 4)),
            r'predicted labels should be in 0..3. Found \[4\]',
        ),
        (
            changed('gt_sem_seg', 'sem_seg', torch.full((1, 20, 24), -1)),
            r'true labels should be in 0..3. Found \[-1\]',
        ),
    ],
)
def test_bad_samples_are_named(sample, message) -> None:
    with pytest.raises(ValueError, match=f'image 0.png: .*{message}'):
        metric().process({}, [sample])


def test_bad_options_are_refused() -> None:
    with pytest.raises(ValueError, match='`classes_of` .*all'):
        SegmentationQuality(classes_of='all')
    with pytest.raises(ValueError, match='`tolerance` .*-1'):
        SegmentationQuality(tolerance=-1)
    for name in ('tolerance', 'background', 'num_classes', 'ignore_index'):
        with pytest.raises(ValueError, match=f"`{name}` .*integer.*Found '1'"):
            SegmentationQuality(**{name: '1'})
    with pytest.raises(ValueError, match='`background` .* 4 classes. Found 4'):
        metric(background=4).process({}, [])
    with pytest.raises(ValueError, match='`num_classes` .*None'):
        SegmentationQuality().process({}, [])
