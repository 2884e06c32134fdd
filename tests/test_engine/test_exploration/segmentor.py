"""A segmentor of one layer whose loss is searched, and its data."""

from __future__ import annotations

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from torch import nn
from torch.utils.data import Dataset

from tests.support import toy

SCALE = 4.0
OPTIM_WRAPPER = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0))
SEARCH = dict(type='AutoSegLossSearch', num_replicas=3)


@MODELS.register_module()
class ToySegmentor(BaseModel):
    """Classifies pixels of two channels into two classes, as two heads do."""

    def __init__(self, metrics=('mIoU', 'mIoU')):
        super().__init__()
        self.layer = nn.Conv2d(2, 2, 1)
        self.losses = nn.ModuleList(
            MODELS.build(dict(type='AutoSegLoss', metric=m)) for m in metrics
        )

    def forward(self, x, y, mode='tensor'):
        logits = self.layer(torch.stack(list(x)))
        labels = torch.stack(list(y))
        if mode == 'predict':
            found = (logits.argmax(1) == labels).float().mean((1, 2))
            return [dict(accuracy=a) for a in found]
        return {
            f'loss_{i}': loss(logits, labels)
            for i, loss in enumerate(self.losses)
        }


@DATASETS.register_module()
class ToyPixels(Dataset):
    """Maps whose second class is where the channels' sum is large."""

    METAINFO = dict(classes=('a', 'b'))
    metainfo = METAINFO

    def __init__(self, size=6, offset=0):
        generator = torch.Generator().manual_seed(offset)
        self.x = torch.randn(size, 2, 4, 4, generator=generator)
        self.y = (self.x.sum(1) > 1).long()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return dict(x=self.x[index], y=self.y[index])


@METRICS.register_module()
class PixelAccuracy(BaseMetric):
    """`pixels/accuracy` in percent."""

    default_prefix = 'pixels'

    def process(self, data_batch, data_samples):
        self.results += [float(s['accuracy']) for s in data_samples]

    def compute_metrics(self, results):
        return dict(accuracy=100 * sum(results) / len(results))


def dataloader(offset=0):
    return dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=offset == 0),
        dataset=dict(type='ToyPixels', offset=offset),
    )


def exploration(**options):
    """Returns a search's config: 2 rounds of 3 replicas, 3 iterations."""
    return dict(
        dict(
            type='ParallelExplorationLoop',
            num_rounds=2,
            target=dict(type='SurrogatePoints'),
            controller=SEARCH,
            reward_dataloader=dataloader(1),
            reward_evaluator=dict(type='PixelAccuracy'),
            reward_metric='pixels/accuracy',
        ),
        **options,
    )


def runner(work_dir, train_cfg=None, **options):
    """Builds a Runner that searches."""
    return toy.runner(
        work_dir,
        **dict(
            dict(
                model=dict(type='ToySegmentor'),
                optim_wrapper=OPTIM_WRAPPER,
                train_dataloader=dataloader(),
                train_cfg=train_cfg or exploration(),
            ),
            **options,
        ),
    )
