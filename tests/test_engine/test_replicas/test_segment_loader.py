import random
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, FUNCTIONS
from torch.utils.data import BatchSampler, Dataset

from mmada.engine.distributed import Share
from mmada.engine.replicas.segment_loader import SegmentLoader, SegmentSampler
from mmada.utils.seeding import derive_seed, preserve_rng, seed_all
from tests.support import toy

WIDE = (0, 2, 3, 5, 6)  # of ten images


def draw():
    return random.random(), np.random.random(), torch.rand(()).item()


@DATASETS.register_module()
class IndexDataset(Dataset):
    """Gives each index with what an augmentation would draw."""

    added = 0

    def __init__(self, size=10):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        with warnings.catch_warnings(record=True) as caught:
            warnings.warn('of a worker', stacklevel=1)
        return dict(
            index=index, drawn=draw(), added=self.added, warned=len(caught)
        )

    def get_data_info(self, index):
        return dict(width=6 if index in WIDE else 3, height=4)

    def __deepcopy__(self, memo):
        raise AssertionError('a data set may be too large to copy')


class ShiftedDataset(IndexDataset):
    """Gives other indices."""

    def __getitem__(self, index):
        return dict(index=100 + index)


def config(size=10, batch_size=2, workers=0, **options):
    return dict(
        batch_size=batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(type='IndexDataset', size=size),
        **options,
    )


def loader(num_iters=None, seed=7, **options):
    return SegmentLoader(config(**options), num_iters, seed)


def indices(batches):
    return [batch['index'] for batch in batches]


def flat(batches):
    return [i for batch in indices(batches) for i in batch]


def order(epoch, size=10, seed=7):
    """The permutation of an epoch, made apart."""
    generator = torch.Generator()
    generator.manual_seed(derive_seed(seed, 'epoch', epoch))
    return torch.randperm(size, generator=generator).tolist()


@pytest.mark.parametrize('num_iters', [1, 2, 3, 7, None])
def test_segments_are_slices_of_whole_epochs(num_iters):
    segments = loader(num_iters)
    taken = []
    for s in range(-(-3 * 5 // segments.num_iters)):
        batches = indices(segments.segment(s))
        assert [len(b) for b in batches] == [2] * segments.num_iters
        taken += [i for b in batches for i in b]
    expected = [i for epoch in range(5) for i in order(epoch)]
    assert taken == expected[: len(taken)]
    assert Counter(taken[:30]) == {i: 3 for i in range(10)}


def test_an_odd_epoch_is_rounded_up_to_full_batches():
    segments = loader(size=7, batch_size=3)
    assert segments.epoch_length == segments.num_iters == 3
    assert len(segments.segment(0)) == 3
    taken = flat(segments.segment(0)) + flat(segments.segment(1))
    expected = order(0, 7) + order(1, 7) + order(2, 7)
    assert taken == expected[:18]


def test_order_depends_on_seed_and_segment_alone():
    first, second = loader(3), loader(3)
    torch.manual_seed(1)
    expected = indices(first.segment(4))
    torch.manual_seed(2)
    for s in (0, 1, 4):
        found = indices(second.segment(s))
    assert found == expected
    assert indices(loader(3, seed=8).segment(4)) != expected
    assert len(second.segment(4)) == 3


def test_two_passes_over_a_segment_give_the_same_batches():
    segment = loader(4).segment(2)
    first = indices(segment)
    torch.rand(9)
    assert indices(segment) == first


def test_segments_do_not_know_of_each_other():
    segments = loader(4)
    expected = [indices(segments.segment(s)) for s in range(2)]
    both = [segments.segment(s) for s in range(2)]
    assert [indices(segment) for segment in both] == expected


def test_a_segment_left_early_does_not_change_the_next():
    segments = loader(4)
    expected = indices(loader(4).segment(1))
    next(iter(segments.segment(0)))
    assert indices(segments.segment(1)) == expected


def test_the_global_generators_are_not_touched():
    segments = loader(4)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    for _ in segments.segment(0).batch_sampler:
        pass
    iter(segments.segment(0))
    assert torch.equal(torch.get_rng_state(), state)


BY_RATIO = dict(type='mmdet.AspectRatioBatchSampler')


def test_buckets_of_a_batch_sampler_start_empty_in_each_segment():
    segments = loader(3, batch_sampler=BY_RATIO)
    assert type(segments.template.batch_sampler).__name__ == (
        'AspectRatioBatchSampler'
    )
    whole = [i for epoch in range(3) for i in order(epoch)]
    for s in (0, 1, 2, 0):
        batches = indices(segments.segment(s))
        assert sorted(i for b in batches for i in b) == sorted(
            whole[6 * s : 6 * s + 6]
        )
        assert len(batches) == 3
        next(iter(segments.segment(s)))  # leaves a bucket filled
    assert not any(segments.template.batch_sampler._aspect_ratio_buckets)


def test_a_batch_sampler_still_groups_by_shape():
    batches = indices(loader(5, batch_sampler=BY_RATIO).segment(0))
    shapes = [{i in WIDE for i in batch} for batch in batches]
    # Five of each: two full batches of each kind, and the two left over.
    assert [len(kinds) for kinds in shapes] == [1, 1, 1, 1, 2]


@pytest.mark.parametrize('options', [{}, dict(batch_sampler=BY_RATIO)])
def test_pieces_are_the_segment_cut_where_epochs_end(options):
    """An epoch has five batches, a segment seven: 5 and 2, 3 and 4."""
    segments = loader(7, **options)
    for s, expected in (
        (0, [(0, 0, 5), (1, 0, 2)]),
        (1, [(1, 2, 3), (2, 0, 4)]),
    ):
        pieces = segments.pieces(s)
        assert [(p.epoch, p.first_batch, len(p.loader)) for p in pieces] == (
            expected
        )
        found = [i for piece in pieces for i in indices(piece.loader)]
        assert found == indices(segments.segment(s))


def test_workers_of_a_piece_start_when_it_is_iterated():
    """So that the data set may change between two epochs."""
    segments = loader(7, workers=1)
    first, second = segments.pieces(0)
    assert len(indices(first.loader)) == 5
    segments.template.dataset.__class__ = ShiftedDataset
    try:
        assert min(flat(second.loader)) >= 100
    finally:
        segments.template.dataset.__class__ = IndexDataset


def test_workers_of_two_pieces_draw_differently():
    first, second = loader(7, workers=1).pieces(0)
    values = [v for p in (first, second) for b in p.loader for v in b['drawn']]
    assert len({str(v) for v in values}) == len(values)


@pytest.mark.parametrize('sampler', ['DefaultSampler', 'InfiniteSampler'])
def test_an_order_that_is_not_shuffled_is_kept(sampler):
    given = config(size=7) | dict(sampler=dict(type=sampler, shuffle=False))
    segments = SegmentLoader(given, 3, 7)
    found = [flat(segments.segment(s)) for s in range(3)]
    assert found == [
        [0, 1, 2, 3, 4, 5],
        [6, 0, 1, 2, 3, 4],
        [5, 6, 0, 1, 2, 3],
    ]


@pytest.mark.parametrize('drop_last', [False, True])
def test_a_segment_has_all_its_batches_where_buckets_are_dropped(drop_last):
    by_ratio = dict(BY_RATIO, drop_last=drop_last)
    segments = loader(5, batch_sampler=by_ratio)
    for s in range(6):
        batches = indices(segments.segment(s))
        assert [len(batch) for batch in batches] == [2] * 5
    shared = [segments.shared(Share(r, 2)) for r in range(2)]
    for part in shared:
        assert [len(b) for b in indices(part.segment(1))] == [1] * 5


def test_the_size_of_a_batch_may_stand_in_the_batch_sampler():
    given = config(batch_sampler=dict(BY_RATIO, batch_size=2))
    del given['batch_size']
    segments = SegmentLoader(given, 3, 7)
    assert segments.batch_size == 2
    expected = loader(3, batch_sampler=BY_RATIO)
    assert indices(segments.segment(1)) == indices(expected.segment(1))


def test_a_batch_is_one_image_where_no_size_is_given():
    given = config()
    del given['batch_size']
    found = indices(SegmentLoader(given, 3, 7).segment(0))
    assert found == [[i] for i in order(0)[:3]]


class BatchesOfThree(BatchSampler):
    """Gives less than it is given, or nothing."""

    def __iter__(self):
        batch = list(self.sampler)[:3]
        if len(batch) == 3:
            yield batch


def test_a_batch_sampler_that_gives_nothing_is_refused():
    given = dict(type=BatchesOfThree, drop_last=True)
    found = indices(loader(2, batch_sampler=given).segment(0))
    assert found == [order(0)[:3], order(0)[4:7]]
    with pytest.raises(ValueError, match='`iters_per_round`.*Found 1'):
        loader(1, batch_sampler=given).segment(0)


@FUNCTIONS.register_module()
def add_to_draws(worker_id, amount):
    """Changes what a worker draws, and knows its number."""
    IndexDataset.added = amount + worker_id


def test_workers_start_as_configured():
    """Batches go to the two workers in turn."""
    segments = loader(
        4,
        workers=2,
        worker_init_fn=dict(type='add_to_draws', amount=5),
        multiprocessing_context='fork',
    )
    segment = segments.segment(0)
    assert segment.multiprocessing_context.get_start_method() == 'fork'
    added = [set(batch['added']) for batch in segment]
    assert added == [{5}, {6}, {5}, {6}]
    # The seeds are those of the segment all the same.
    assert drawn(segments, 0) == drawn(loader(4, workers=2), 0)


def test_warnings_of_workers_are_silenced_as_configured():
    options = dict(workers=2, disable_subprocess_warning=True)
    for given, expected in (
        (options, [1, 0, 1, 0]),
        (dict(workers=2), [1] * 4),
    ):
        warned = [batch['warned'] for batch in loader(4, **given).segment(0)]
        assert [max(batch) for batch in warned] == expected


def drawn(segments, index):
    return [batch['drawn'] for batch in segments.segment(index)]


def test_workers_augment_a_segment_always_in_the_same_way():
    segments = loader(4, workers=2)
    assert not segments.template.persistent_workers
    random.seed(1)
    first = drawn(segments, 0)
    random.seed(2)
    other = drawn(segments, 1)
    assert drawn(segments, 0) == first
    values = [v for batch in first + other for row in batch for v in row]
    assert len(set(values)) == len(values)  # no stream is used twice


def test_a_worker_is_seeded_by_segment_and_number():
    """Batches go to the two workers in turn."""
    found = drawn(loader(4, workers=2), 3)
    seed = derive_seed(7, 'segment', 3)
    for worker in range(2):
        with preserve_rng():
            seed_all(derive_seed(seed, 'worker', worker))
            for batch in found[worker::2]:
                for row in zip(*batch, strict=True):
                    assert row == draw()


def test_options_of_the_dataloader_stay_in_force():
    options = dict(timeout=60, prefetch_factor=5, pin_memory=True)
    segment = loader(4, workers=2, **options).segment(0)
    assert {name: getattr(segment, name) for name in options} == options
    assert segment.num_workers == 2


def test_the_dataset_is_shared_not_copied():
    for options in ({}, dict(batch_sampler=BY_RATIO)):
        segments = loader(4, **options)
        segment = segments.segment(1)
        assert segment.dataset is segments.template.dataset


def test_the_config_is_left_as_it_is():
    given = config(workers=2)
    kept = config(workers=2)
    SegmentLoader(given, 4, 7)
    assert given == kept


def test_sampler_length_is_that_of_a_segment():
    sampler = SegmentSampler(toy.ToyDataset(), 5, 2, 7)
    assert len(sampler) == len(list(sampler)) == 10


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(size=0), '`dataloader.dataset` should .* at least one image'),
        (dict(num_iters=0), '`iters_per_round` should .*Found 0'),
        (dict(num_iters=-2), '`iters_per_round` should .*Found -2'),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        loader(**options)


def test_a_batch_that_the_ranks_cannot_divide_is_refused():
    with pytest.raises(ValueError, match='multiple of the 3 ranks.*Found 2'):
        loader().shared(Share(0, 3))
