import random
import warnings

import numpy as np
import pytest
import torch

from mmada.utils.seeding import (
    derive_seed,
    preserve_rng,
    seed_all,
    seed_worker,
)


def draw():
    return (
        random.random(),
        np.random.random(),
        torch.rand(()).item(),
    )


@pytest.mark.parametrize(
    ('keys', 'expected'),
    [
        # printf "(7, 'epoch', 0)" | sha256sum | cut -c1-8
        ((7, 'epoch', 0), 0x663D508F),
        ((7, 'segment', 3), 0x3D80C6C3),
        ((7,), 0x24A6ADE6),
    ],
)
def test_a_seed_is_the_start_of_a_hash(keys, expected):
    assert derive_seed(*keys) == expected


def test_keys_are_told_apart():
    keys = [(), (1,), (11,), (1, 1), ('1',), ('a', 1), ('a', '1'), ('a1',)]
    seeds = {derive_seed(1, *key) for key in keys}
    assert len(seeds) == len(keys)
    assert derive_seed(2, 'a', 1) not in seeds
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_seed_all_seeds_each_generator():
    seed_all(3)
    first = draw()
    seed_all(3)
    assert draw() == first
    seed_all(4)
    assert not set(draw()) & set(first)


@pytest.mark.parametrize('fails', [False, True])
def test_preserved_generators_go_on_as_if_nothing_was_drawn(fails):
    seed_all(3)
    first, second = draw(), draw()
    seed_all(3)
    assert draw() == first
    try:
        with preserve_rng():
            seed_all(8)
            draw()
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert draw() == second


def test_the_accelerator_in_use_is_preserved_and_no_other(monkeypatch):
    """Without torch's warning that there are several."""
    state = torch.arange(3, dtype=torch.uint8)
    restored = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 8)
    monkeypatch.setattr(torch.cuda, 'get_rng_state', lambda: state)
    monkeypatch.setattr(torch.cuda, 'set_rng_state', restored.append)
    with warnings.catch_warnings(), preserve_rng():
        warnings.simplefilter('error')
        assert not restored
    assert restored == [state]


def test_workers_have_streams_of_their_own():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        streams = []
        for worker, seed in ((0, 5), (1, 5), (0, 6), (0, 5)):
            with preserve_rng():
                seed_worker(worker, seed)
                streams.append(draw())
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
    assert len(set(streams)) == 3
    assert streams[0] == streams[3]
