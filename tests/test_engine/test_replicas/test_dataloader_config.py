"""A dataloader that is built already is used as it was configured."""

import warnings

import pytest
import torch
from mmengine.dataset import InfiniteSampler, pseudo_collate
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    WeightedRandomSampler,
)

from mmada.engine.replicas.segment_loader import SegmentLoader
from tests.test_engine.test_replicas import test_segment_loader as configured
from tests.test_engine.test_replicas.samplers import RankedSampler
from tests.test_engine.test_replicas.test_segment_loader import (
    IndexDataset,
    indices,
)

DATA = IndexDataset()


class Stream(IterableDataset):
    """Has no index."""

    def __iter__(self):
        return iter([dict(index=0)])


class PairsFirst(BatchSampler):
    """Gives each batch from its largest index on."""

    def __iter__(self):
        for batch in super().__iter__():
            yield sorted(batch, reverse=True)


class WithLength(WeightedRandomSampler):
    """Counts the passes over itself, as a training would."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        return super().__iter__()


def built(**options):
    options.setdefault('collate_fn', pseudo_collate)
    return DataLoader(DATA, **options)


def segments(num_iters=4, **options):
    return SegmentLoader(built(**options), num_iters, 7)


def of_config(shuffle=True, **options):
    config = configured.config(**options)
    config['sampler'] = dict(type='DefaultSampler', shuffle=shuffle)
    return SegmentLoader(config, 4, 7)


@pytest.mark.parametrize(
    ('shuffle', 'options'),
    [
        (True, dict(shuffle=True)),
        (False, dict(shuffle=False)),
        (True, dict(sampler=InfiniteSampler(DATA, shuffle=True, seed=3))),
        (False, dict(sampler=InfiniteSampler(DATA, shuffle=False))),
    ],
)
def test_stock_samplers_give_what_a_config_does(shuffle, options):
    found, expected = segments(batch_size=2, **options), of_config(shuffle)
    assert found.epoch_length == expected.epoch_length == 5
    assert found.template.dataset is DATA
    for s in (0, 3):
        assert indices(found.segment(s)) == indices(expected.segment(s))


def test_a_sampler_is_copied_and_never_drawn_from():
    weights = torch.tensor([0.0] * 8 + [1.0] * 2)
    sampler = WithLength(weights, 10, generator=torch.Generator())
    state = sampler.generator.get_state()
    loader = segments(sampler=sampler, batch_size=2)
    batches = [b for s in range(3) for b in indices(loader.segment(s))]
    assert {i for batch in batches for i in batch} == {8, 9}
    assert sampler.passes == 0
    assert torch.equal(sampler.generator.get_state(), state)
    again = segments(sampler=sampler, batch_size=2)
    assert indices(again.segment(2)) == batches[8:]


def test_a_copied_sampler_has_the_seed_of_the_segments():
    orders = []
    for own in (3, 4):
        sampler = RankedSampler(DATA, [0.1] * 10, seed=own)
        loader = segments(sampler=sampler, batch_size=2)
        orders.append(indices(loader.segment(0)))
        assert sampler.seed == own
    assert orders[0] == orders[1]


def test_a_sampler_with_replacement_keeps_it():
    sampler = RandomSampler(DATA, replacement=True, num_samples=40)
    loader = segments(num_iters=20, sampler=sampler, batch_size=2)
    assert loader.epoch_length == 20
    drawn = [i for batch in indices(loader.segment(0)) for i in batch]
    assert len(set(drawn[:10])) < 10  # a permutation would have all


def test_a_batch_sampler_is_put_around_the_order_of_segments():
    sampler = PairsFirst(RandomSampler(DATA), 2, drop_last=False)
    found = indices(segments(batch_sampler=sampler).segment(1))
    expected = indices(of_config().segment(1))
    assert found == [sorted(batch, reverse=True) for batch in expected]


def test_objects_in_a_config_are_copied_too():
    config = configured.config()
    sampler = WithLength([0.0] * 8 + [1.0] * 2, 10)
    config.update(sampler=sampler, dataset=DATA)
    loader = SegmentLoader(config, 4, 7)
    assert {i for b in indices(loader.segment(0)) for i in b} == {8, 9}
    assert sampler.passes == 0


def test_no_sampler_is_the_one_of_torch():
    config = configured.config() | dict(sampler=None)
    kept = SegmentLoader(dict(config), 4, 7)
    assert indices(kept.segment(0))[:2] == [[0, 1], [2, 3]]
    shuffled = SegmentLoader(dict(config, shuffle=True), 4, 7)
    assert indices(shuffled.segment(0)) == indices(of_config().segment(0))


def test_options_are_those_of_the_dataloader():
    options = dict(num_workers=2, timeout=60, prefetch_factor=5)
    spawn = dict(multiprocessing_context='spawn', worker_init_fn=print)
    with warnings.catch_warnings():
        loader = segments(batch_size=2, **options, **spawn).segment(0)
    assert {name: getattr(loader, name) for name in options} == options
    assert loader.multiprocessing_context.get_start_method() == 'spawn'
    assert loader.worker_init_fn.keywords['then'].func is print
    assert loader.collate_fn is pseudo_collate


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (
            lambda: SegmentLoader(DataLoader(Stream()), 4, 7),
            '`dataloader.dataset` should have a length .*Found Stream',
        ),
        (
            lambda: segments(batch_size=None),
            '`dataloader.batch_size` should be an integer .*Found None',
        ),
        (
            lambda: segments(sampler=(i for i in range(3)), batch_size=1),
            '`dataloader.sampler` should be a config .*Found a generator',
        ),
        (
            lambda: of_config(in_order=False),
            '`dataloader.in_order` should be True.*Found False',
        ),
        (
            lambda: of_config(batch_size='2'),
            "`dataloader.batch_size` should be an integer .*Found '2'",
        ),
    ],
)
def test_what_has_no_segments_is_refused_by_name(build, message):
    with pytest.raises(ValueError, match=message):
        build()
