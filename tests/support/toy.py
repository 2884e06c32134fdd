"""A two-headed model, its data and its metric, for tests with a Runner."""

from __future__ import annotations

import copy

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS
from mmengine.runner import Runner
from torch import nn
from torch.nn.functional import mse_loss
from torch.utils.data import Dataset

import mmada  # noqa: F401  registers everything


@MODELS.register_module()
class ToyDetector(BaseModel):
    """Losses: `loss_a`, the list `loss_b` and the unweighted `loss_rpn`."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.1)
        )
        self.head_a = nn.Linear(8, 1)
        self.head_b = nn.Linear(8, 2)
        self.rpn = nn.Linear(8, 1)

    def forward(self, x, y, mode='tensor'):
        x, y = torch.stack(list(x)), torch.stack(list(y))
        features = self.trunk(x)
        a, b = self.head_a(features), self.head_b(features)
        if mode == 'predict':
            return [dict(error=e) for e in ((a - y[:, :1]) ** 2).flatten()]
        return dict(
            loss_rpn=mse_loss(self.rpn(features), y[:, 1:2]),
            loss_a=mse_loss(a, y[:, :1]),
            loss_b=[(b[:, i] - y[:, i + 1]) ** 2 for i in range(2)],
            acc=torch.tensor(50.0),
        )


@MODELS.register_module()
class SmoothDetector(ToyDetector):
    """Without what depends on the batch of a rank or draws per rank."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 8), nn.Tanh())


@DATASETS.register_module()
class ToyDataset(Dataset):
    """Rows of a fixed linear map with noise; `offset` makes other rows."""

    METAINFO = dict(classes=('a',))

    def __init__(self, size=12, offset=0):
        generator = torch.Generator().manual_seed(offset)
        mapping = torch.randn(
            4, 3, generator=torch.Generator().manual_seed(99)
        )
        self.x = torch.randn(size, 4, generator=generator)
        self.y = self.x @ mapping
        self.metainfo = self.METAINFO

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return dict(x=self.x[index], y=self.y[index])


@DATASETS.register_module()
class ListedToyDataset(ToyDataset):
    """Rows with one object each, of the labels that are given."""

    METAINFO = dict(classes=('a', 'b', 'c'))

    def __init__(self, labels):
        super().__init__(len(labels))
        self.labels = labels

    def get_data_info(self, index):
        return dict(instances=[dict(bbox_label=self.labels[index])])


@METRICS.register_module()
class ToyMetric(BaseMetric):
    """`toy/score`, larger is better."""

    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        self.results += [float(s['error']) for s in data_samples]

    def compute_metrics(self, results):
        return dict(score=-sum(results) / len(results))


OBJECTIVES = dict(a='loss_a', b='loss_b')
MODEL = dict(
    type='LossWeightWrapper',
    objectives=OBJECTIVES,
    detector=dict(type='ToyDetector'),
)
SMOOTH = dict(MODEL, detector=dict(type='SmoothDetector'))
OPTIM_WRAPPER = dict(
    type='OptimWrapper',
    constructor='HeadRuleOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4),
)


def dataloader(offset=0, shuffle=True, size=12):
    """Returns a dataloader config of three batches."""
    return dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=shuffle),
        dataset=dict(type='ToyDataset', offset=offset, size=size),
    )


def listed(*labels):
    """Returns a dataloader config of rows with an object of a label each."""
    return dict(
        dataloader(shuffle=False),
        dataset=dict(type='ListedToyDataset', labels=labels),
    )


def exploration(**options):
    """Returns an exploration loop's config: 3 rounds of 4 replicas."""
    config = dict(
        type='ParallelExplorationLoop',
        num_rounds=3,
        controller=dict(type='AdaSegment', num_replicas=4),
        reward_dataloader=dataloader(offset=1, shuffle=False),
        reward_evaluator=dict(type='ToyMetric'),
        reward_metric='toy/score',
    )
    return {**config, **options}


_count = 0


def runner(work_dir, **options):
    """Builds a real Runner on the toy problem.

    Args:
        work_dir: Its work directory.
        **options: Arguments of Runner that replace the defaults.
    """
    global _count
    _count += 1  # equal names would share loggers and message hubs
    config = dict(
        model=MODEL,
        work_dir=str(work_dir),
        train_dataloader=dataloader(),
        optim_wrapper=OPTIM_WRAPPER,
        param_scheduler=dict(
            type='CosineAnnealingLR',
            by_epoch=True,
            convert_to_iter_based=True,
            begin=0,
        ),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        log_level='ERROR',
        randomness=dict(seed=7),
        default_scope='mmengine',
        experiment_name=f'toy{_count}',
    )
    return Runner.from_cfg(_as_config({**config, **options}))


def _as_config(options):
    from mmengine.config import Config

    return Config(copy.deepcopy(options))


def state_of(model):
    """Returns parameters and buffers by name, cloned."""
    return {k: v.clone() for k, v in model.state_dict().items()}


def assert_same_state(first, second):
    """Asserts that two state dicts are equal to the bit."""
    assert list(first) == list(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
