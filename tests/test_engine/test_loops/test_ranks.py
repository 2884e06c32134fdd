"""The same exploration on one rank or several."""

import json

import numpy as np
import pytest

from tests.support import processes, toy
from tests.test_engine.test_loops import explore_worker, pairs_worker
from tests.test_engine.test_replicas.samplers import RankedSampler

RANKED = dict(
    toy.dataloader(),
    sampler=dict(type=RankedSampler, weights=[0.02] * 10 + [0.4] * 2),
)
TWO = dict(type='AdaSegment', num_replicas=2)


def explore(work_dir, world_size, **options):
    return processes.run(
        explore_worker.explore, world_size, work_dir, **options
    )


def history(work_dir):
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    """Work directory of the exploration on one rank."""
    work_dir = tmp_path_factory.mktemp('one')
    explore(work_dir, 1)
    return work_dir


@pytest.mark.parametrize('world_size', [2, 3, 4])
def test_the_number_of_ranks_changes_no_bit(one, tmp_path, world_size):
    explore(tmp_path, world_size)
    assert history(one) == history(tmp_path)
    digests = {record['digest'] for record in history(one)}
    assert [len(digest) for digest in digests] == [64] * 3
    policy = 'policy.safetensors'
    assert (one / policy).read_bytes() == (tmp_path / policy).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['AdaSegment', 'SlopeSearch'])
def test_a_slow_rank_trains_fewer_replicas_and_changes_no_bit(tmp_path, kind):
    """One of the four of each round; replicas go on from the best or own."""
    controller = dict(type=kind, num_replicas=4)
    explore(tmp_path / 'one', 1, controller=controller)
    outputs = processes.run(
        explore_worker.explore_unevenly,
        2,
        tmp_path / 'two',
        controller=controller,
    )
    assert history(tmp_path / 'one') == history(tmp_path / 'two')
    looks, segment = 1, 3  # at the model, on both ranks; iterations
    passes = [int(text.split()[-2]) for text in outputs]
    assert passes == [looks + (1 + 9) * segment, looks + 3 * segment]


def test_the_initial_model_is_scored_once_for_all_ranks(tmp_path):
    """The first round is compared with the same number on all of them."""
    paper = dict(type='AdaSegment', preset='paper', num_replicas=2)
    for world_size in (1, 2):
        work_dir = tmp_path / str(world_size)
        explore(work_dir, world_size, num_rounds=1, controller=paper)
    (first,), (second,) = (history(tmp_path / name) for name in '12')
    assert first == second and first['reference'] is not None


def test_a_configured_sampler_finds_the_ranks_of_its_replica(tmp_path):
    """With a rank for each replica it gives all images, as on one rank."""
    options = dict(num_rounds=2, controller=TWO, dataloader=RANKED)
    for world_size in (1, 2):
        explore(tmp_path / str(world_size), world_size, **options)
    assert history(tmp_path / '1') == history(tmp_path / '2')


@pytest.mark.parametrize('options', [{}, dict(dataloader=RANKED)])
def test_a_replica_of_two_ranks_is_one_of_one_rank_to_rounding(
    tmp_path, options
):
    found = []
    for world_size in (1, 2):
        work_dir = tmp_path / str(world_size)
        processes.run(
            pairs_worker.explore,
            world_size,
            work_dir,
            'SmoothDetector',
            **options,
        )
        found.append(history(work_dir))
    for one, two in zip(*found, strict=True):
        assert one['best'] == two['best']
        for name in ('weights', 'rewards', 'losses', 'reference'):
            assert np.allclose(one[name], two[name], rtol=1e-4), name
        for first, second in zip(one['metrics'], two['metrics'], strict=True):
            assert first == pytest.approx(second, rel=1e-4)
        assert np.shape(one['resamples']) == (2, 2)
        assert np.allclose(one['resamples'], two['resamples'], rtol=1e-4)


def test_a_rank_that_is_left_over_waits(tmp_path):
    options = dict(num_rounds=2, controller=TWO)
    for world_size in (1, 3):
        explore(tmp_path / str(world_size), world_size, **options)
    assert history(tmp_path / '1') == history(tmp_path / '3')


def test_a_loss_that_breaks_on_one_rank_stops_its_replica_on_both(tmp_path):
    """Call 1 is the probe's, three are the pseudo epoch's; then replicas."""
    processes.run(pairs_worker.explore, 2, tmp_path, 'BrokenDetector')
    first, second = history(tmp_path)
    assert [bool(metrics) for metrics in first['metrics']] == [True, False]
    assert all(second['metrics'])
