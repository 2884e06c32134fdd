"""Samplers that are not MMEngine's own are used as they are configured."""

import itertools
import random
from collections import Counter

import mmdet.datasets  # noqa: F401  registers its samplers
import numpy as np
import pytest
import torch
from mmengine.registry import DATA_SAMPLERS, DATASETS, MODELS
from torch.utils.data import BatchSampler, Dataset

from mmada.engine.distributed import Share
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.utils.seeding import derive_seed
from tests.support import toy
from tests.test_engine.test_replicas import samplers  # noqa: F401

RARE = (3, 8)  # of twelve images


@DATASETS.register_module()
class SourcesDataset(Dataset):
    """Images of two classes, from one source after the other."""

    metainfo = dict(classes=('common', 'rare'))

    def __init__(self, sizes=(12,)):
        self.datasets = (
            [SourcesDataset((size,)) for size in sizes]
            if len(sizes) > 1
            else [self]
        )
        self.cumulative_sizes = list(itertools.accumulate(sizes))

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        return dict(index=index)

    def get_cat_ids(self, index):
        return [int(index in RARE)]

    def get_data_info(self, index):
        return dict(width=6 if index % 3 else 3, height=4)

    def __deepcopy__(self, memo):
        raise AssertionError('a data set may be too large to copy')


@DATA_SAMPLERS.register_module()
class EndlessBatchSampler(BatchSampler):
    """Has no length."""

    __len__ = None


@DATA_SAMPLERS.register_module()
class OwnOrderBatchSampler(BatchSampler):
    """Asks the sampler that it is given for nothing."""

    def __init__(self, sampler, batch_size):
        super().__init__(sampler, batch_size, drop_last=False)

    def __iter__(self):
        yield from ([k, k + 1, k + 2, k + 3] for k in (8, 4, 0))


def config(sampler, sizes=(12,), batch_size=4, **options):
    return dict(
        batch_size=batch_size,
        num_workers=0,
        sampler=sampler,
        dataset=dict(type='SourcesDataset', sizes=sizes),
        **options,
    )


def loader(sampler, num_iters=None, seed=7, ranks=1, **options):
    return SegmentLoader(config(sampler, **options), num_iters, seed, ranks)


def indices(segment):
    return [batch['index'] for batch in segment]


def course(segments, count):
    """The first segments, one after the other."""
    return [b for s in range(count) for b in indices(segments.segment(s))]


CLASS_AWARE = dict(type='mmdet.ClassAwareSampler')
MULTI_SOURCE = dict(
    type='mmdet.MultiSourceSampler', batch_size=4, source_ratio=[1, 3]
)
GROUPED = dict(MULTI_SOURCE, type='mmdet.GroupMultiSourceSampler')
PARTS = dict(type='mmdet.CustomSampleSizeSampler', dataset_size=[2, -1])
WEIGHTED = dict(type='WeightedSampler', weights=[0.02] * 10 + [0.4] * 2)
TRACKS = dict(type='mmdet.MultiDataSampler', dataset_ratio=[1, 3])

EACH = [
    (CLASS_AWARE, (12,)),
    (MULTI_SOURCE, (3, 9)),
    (GROUPED, (6, 9)),
    (PARTS, (6, 2)),
    (WEIGHTED, (12,)),
    (TRACKS, (6, 6)),
]


@pytest.mark.parametrize('num_iters', [1, 2, 5])
def test_rare_images_come_as_often_as_the_sampler_wants(num_iters):
    """One image of each class in turn: two of four are rare, not 2/12."""
    segments = loader(CLASS_AWARE, num_iters)
    for batch in course(segments, 12 // num_iters):
        assert len(set(batch) & set(RARE)) == 2
        assert sum(i in RARE for i in batch) == 2


def test_the_share_of_an_image_is_its_weight():
    """Two images with 0.8 of the weight: 400 draws err by 0.02."""
    drawn = [i for batch in course(loader(WEIGHTED, 20), 5) for i in batch]
    assert len(drawn) == 400
    assert sum(i >= 10 for i in drawn) / 400 == pytest.approx(0.8, abs=0.06)


def test_each_batch_has_the_ratio_of_its_sources():
    segments = loader(MULTI_SOURCE, 3, sizes=(3, 9))
    batches = course(segments, 4)
    assert [[i < 3 for i in b] for b in batches] == 12 * [
        [True, False, False, False]
    ]
    # Without replacement, over the ends of segments.
    assert Counter(b[0] for b in batches) == {0: 4, 1: 4, 2: 4}
    assert Counter(i for b in batches for i in b[1:]) == dict.fromkeys(
        range(3, 12), 4
    )


def test_what_a_sampler_carries_over_is_not_lost():
    """Two images of six an epoch: after three epochs each was seen once."""
    segments = loader(PARTS, 1, sizes=(6, 2))
    assert segments.epoch_length == 1
    drawn = [i for batch in course(segments, 3) for i in batch]
    assert Counter(drawn) == dict.fromkeys(range(6), 1) | {6: 3, 7: 3}


def test_epochs_are_those_of_the_sampler():
    dataset = SourcesDataset()
    seed = derive_seed(7, 'sampler')
    sampler = DATA_SAMPLERS.build(
        dict(CLASS_AWARE, dataset=dataset, seed=seed)
    )
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    segments = loader(CLASS_AWARE)
    found = [
        [i for batch in indices(segments.segment(s)) for i in batch]
        for s in range(3)
    ]
    assert found == orders
    assert found[0] != found[1] != found[2]


@pytest.mark.parametrize(('sampler', 'sizes'), EACH)
def test_a_segment_follows_from_seed_and_number(sampler, sizes):
    first = loader(sampler, 2, sizes=sizes)
    expected = course(first, 6)
    second = loader(sampler, 2, sizes=sizes)
    np.random.seed(1)
    torch.manual_seed(1)
    assert indices(second.segment(5)) == expected[10:]
    for s in (5, 1, 2, 2, 4, 0):
        assert indices(second.segment(s)) == expected[2 * s : 2 * s + 2]
    other = loader(sampler, 2, sizes=sizes, seed=8)
    assert course(other, 6) != expected


@pytest.mark.parametrize(('sampler', 'sizes'), EACH)
def test_the_course_does_not_depend_on_the_length_of_segments(sampler, sizes):
    long, short = (loader(sampler, n, sizes=sizes) for n in (6, 1))
    assert course(long, 2) == course(short, 12)


@pytest.mark.parametrize(('sampler', 'sizes'), EACH)
def test_generators_are_left_as_they_were(sampler, sizes):
    states = random.getstate(), np.random.get_state()[1].tolist()
    before = torch.get_rng_state()
    course(loader(sampler, 2, sizes=sizes), 2)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states
    assert torch.equal(torch.get_rng_state(), before)


def test_the_last_batch_of_an_epoch_is_short_unless_dropped():
    sizes = dict(sizes=(10,))
    sampler = dict(WEIGHTED, weights=[0.1] * 10)
    kept = loader(sampler, 6, **sizes)
    assert kept.epoch_length == len(kept.template) == 3
    assert [len(b) for b in course(kept, 1)] == [4, 4, 2, 4, 4, 2]
    dropped = loader(sampler, 6, drop_last=True, **sizes)
    assert dropped.epoch_length == len(dropped.template) == 2
    assert [len(b) for b in course(dropped, 1)] == 6 * [4]
    assert [(p.epoch, len(p.loader)) for p in dropped.pieces(0)] == [
        (0, 2),
        (1, 2),
        (2, 2),
    ]


def test_a_configured_batch_sampler_groups_what_a_sampler_gives():
    by_ratio = dict(type='mmdet.AspectRatioBatchSampler', drop_last=True)
    batches = course(loader(CLASS_AWARE, 6, batch_sampler=by_ratio), 3)
    assert len(batches) == 18
    grouped = [len({i % 3 == 0 for i in batch}) == 1 for batch in batches]
    assert sum(grouped) > 9  # but for what the buckets leave of an epoch


def test_a_batch_sampler_with_an_order_of_its_own_goes_on():
    segments = loader(
        'DefaultSampler',
        num_iters=2,
        batch_sampler=dict(type='OwnOrderBatchSampler', batch_size=4),
    )
    first = [i for k in range(3) for b in segments._batches(k) for i in b[:1]]
    assert first == [8, 4, 0, 8, 4, 0]


@pytest.mark.parametrize('rank', [0, 1])
def test_each_rank_of_a_replica_has_the_ratio_of_its_sources(rank):
    """Eight images over two ranks: each has one of source 0 in four."""
    sampler = dict(MULTI_SOURCE, batch_size=8)
    segments = loader(sampler, 3, sizes=(4, 12), batch_size=8)
    found = [course(segments.shared(Share(r, 2)), 2) for r in (rank, 1 - rank)]
    for batches in found:
        assert [[i < 4 for i in b] for b in batches] == 6 * [
            [True, False, False, False]
        ]
    assert found[0] != found[1]
    both = [i for batches in found for b in batches[:2] for i in b]
    assert len(set(both)) == 16  # no image twice before all were seen


def test_the_ranks_of_a_training_have_a_whole_batch_each():
    segments = loader(MULTI_SOURCE, 3, sizes=(4, 12), ranks=2)
    assert segments.batch_size == 8
    for rank in range(2):
        shared = segments.shared(Share(rank, 2))
        assert [len(b) for b in course(shared, 1)] == [4, 4, 4]


def test_an_epoch_of_given_batches_is_that_of_a_replica():
    """Three batches of four: the first twelve images, on one rank or two."""
    sampler = dict(type='DefaultSampler')
    segments = loader(sampler, sizes=(30,), num_batch_per_epoch=3)
    shares = [Share(0, 1)], [Share(r, 2) for r in range(2)]
    assert segments.epoch_length == segments.num_iters == 3
    for ranks in shares:
        found = [b for s in ranks for b in course(segments.shared(s), 1)]
        assert sorted(i for b in found for i in b) == list(range(12))
    both = loader(sampler, sizes=(30,), num_batch_per_epoch=3, ranks=2)
    assert both.epoch_length == 3
    assert len(both.template.dataset) == 24


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (
            lambda: loader(dict(type='UnseededSampler', weights=[1.0])),
            '`dataloader.sampler` should give the same order .*'
            'Found UnseededSampler',
        ),
        (
            lambda: loader(dict(type='EmptySampler', weights=[1.0]), 2),
            '`dataloader.sampler` should give at least one batch .*'
            'BatchSampler of EmptySampler',
        ),
        (
            lambda: loader(WEIGHTED, 2, batch_size=16, drop_last=True),
            '`dataloader.sampler` should give at least one batch',
        ),
        (
            lambda: loader(
                WEIGHTED,
                batch_sampler=dict(
                    type='EndlessBatchSampler', drop_last=False
                ),
            ),
            '`dataloader.batch_sampler` should have a length',
        ),
        (
            lambda: loader(WEIGHTED).shared(Share(0, 2)),
            '`dataloader.sampler` should share the images out .* 2 ranks.*'
            'Found WeightedSampler',
        ),
        (
            lambda: loader(MULTI_SOURCE, sizes=(4, 12)).shared(Share(0, 2)),
            r'`dataloader.batch_size` should keep the ratio .*'
            r'Found \[1, 3\] images of a batch by source, and \[1, 1\]',
        ),
        (
            lambda: loader(
                dict(MULTI_SOURCE, batch_size=6), sizes=(4, 12), batch_size=4
            ).shared(Share(0, 4)),
            r'`dataloader.sampler.batch_size`.* multiple of the 4 ranks.*'
            'Found 6',
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@MODELS.register_module()
class RowsDetector(toy.ToyDetector):
    """Notes which images are in each batch of a training."""

    seen = []

    def forward(self, x, y, index=None, mode='tensor'):
        if mode == 'loss':
            self.seen.append([int(i) for i in index])
        return super().forward(x, y, mode=mode)


@DATASETS.register_module()
class RareDataset(toy.ToyDataset):
    """The toy's rows, of which two are rare."""

    metainfo = SourcesDataset.metainfo

    def __init__(self):
        super().__init__()
        self.metainfo = SourcesDataset.metainfo

    def __getitem__(self, index):
        return dict(super().__getitem__(index), index=index)

    get_cat_ids = SourcesDataset.get_cat_ids


@pytest.mark.parametrize('training', ['search', 'hook'])
def test_a_run_trains_on_what_the_sampler_gives(tmp_path, training):
    """Two of four are rare in each batch: of probe, search and training."""
    RowsDetector.seen.clear()
    weighting = dict(type='InverseLossWeighting')
    options = dict(
        search=dict(train_cfg=toy.exploration(num_rounds=2)),
        hook=dict(
            custom_hooks=[dict(type='LossWeightingHook', weighting=weighting)]
        ),
    )
    toy.runner(
        tmp_path,
        model=dict(toy.MODEL, detector=dict(type='RowsDetector')),
        train_dataloader=dict(
            toy.dataloader(),
            sampler=CLASS_AWARE,
            dataset=dict(type='RareDataset'),
        ),
        **options[training],
    ).train()
    seen = RowsDetector.seen
    # A look, a pseudo epoch of three, then rounds of four replicas or epochs.
    assert len(seen) >= (1 + 3 + 2 * 4 * 3 if training == 'search' else 13)
    assert {sum(i in RARE for i in batch) for batch in seen} == {2}
