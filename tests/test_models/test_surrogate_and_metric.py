"""The loss and the metric, written apart, say the same of certain maps."""

import pytest
import torch
from mmengine.structures import BaseDataElement, PixelData

from mmada.evaluation import SegmentationQuality
from mmada.models import AutoSegLoss
from mmada.surrogates import SURROGATES

CLASSES, TOLERANCE = 3, 2


def maps(seed):
    """Two batches of blocky maps in which every class occurs."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(CLASSES, (2, 1, 4, 5), generator=generator)
    coarse[0, 0, 0, :CLASSES] = torch.arange(CLASSES)
    return coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)


def scores(predicted, true, metric):
    evaluator = SegmentationQuality(tolerance=TOLERANCE)
    evaluator.dataset_meta = dict(classes=tuple('abc'))
    samples = []
    for index, (one, other) in enumerate(zip(predicted, true, strict=True)):
        sample = BaseDataElement(metainfo=dict(img_id=index, img_path=''))
        sample.set_field(PixelData(sem_seg=one), 'pred_sem_seg')
        sample.set_field(PixelData(sem_seg=other), 'gt_sem_seg')
        samples.append(sample.to_dict())
    evaluator.process(None, samples)
    return evaluator.evaluate(len(samples))[f'semantic/{metric}']


@pytest.mark.parametrize('metric', SURROGATES)
@pytest.mark.parametrize('seed', [0, 1])
def test_a_certain_prediction_loses_what_the_metric_lacks(metric, seed):
    true, predicted = maps(seed), maps(seed + 10)
    edges = dict(tolerance=TOLERANCE, drop_bg=False)
    options = edges if SURROGATES[metric].needs_maps else {}
    loss = AutoSegLoss(metric, **options)
    certain = torch.nn.functional.one_hot(predicted[:, 0], CLASSES)
    logits = 1e4 * certain.permute(0, 3, 1, 2).double()
    found = 100 * (1 - loss(logits, true[:, 0]).item())
    assert found == pytest.approx(scores(predicted, true, metric), abs=1e-3)
