"""Checks on four ranks; each function is one, all run in one start."""

import socket

import torch
import torch.distributed as torch_dist
from mmdet.models import BatchSyncRandomResize
from mmdet.utils import reduce_mean
from mmengine import dist
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric
from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmada.engine.distributed import (
    Channel,
    RemoteError,
    ReplicaGroups,
    check_sync_batch_norm,
)
from mmada.engine.distributed.replica_groups import CAN_SWAP, no_group
from tests.support import processes


class SumMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += data_samples

    def compute_metrics(self, results):
        return dict(sum=sum(results), count=len(results))


def expect(found, wanted):
    assert found == wanted, (torch_dist.get_rank(), found, wanted)


def raises(kind, message, function):
    try:
        function()
    except kind as error:
        assert message in str(error), error
        return str(error)
    raise AssertionError(f'{kind.__name__} was not raised')


def close(groups):
    """Waits first: gloo may abort when it ends amid its last exchange."""
    dist.barrier()
    groups.close()


def all_that_names_no_group_acts_inside_the_pair(rank):
    groups = ReplicaGroups(num_replicas=2)
    expect(groups.members, [[0, 1], [2, 3]])
    expect((groups.index, groups.share), (rank // 2, (rank % 2, 2)))
    with groups.scope():
        expect(dist.get_dist_info(), (rank % 2, 2))
        mean = reduce_mean(torch.tensor(float(rank)))
        expect(float(mean), 0.5 if rank < 2 else 2.5)
        seed = dist.sync_random_seed()
        metric = SumMetric()
        sampler = DefaultSampler(range(4), shuffle=False)
        metric.process(None, [10 * (rank // 2) + i for i in sampler])
        found = metric.evaluate(4)
        expect(found, dict(sum=6 + 40 * (rank // 2), count=4))
        expect(dist.is_main_process(), rank % 2 == 0)
        said = [rank]
        dist.broadcast_object_list(said, src=0)
        dist.barrier()
    expect(dist.get_dist_info(), (rank, 4))
    seeds, words = dist.all_gather_object(seed), dist.all_gather_object(said)
    expect((seeds[0], seeds[2]), (seeds[1], seeds[3]))
    assert seeds[0] != seeds[2]
    expect(words, [[0], [0], [2], [2]])
    expect(float(reduce_mean(torch.tensor(float(rank)))), 1.5)
    close(groups)


def a_replica_of_one_rank_trains_beside_the_worlds_wrapper(rank):
    groups = ReplicaGroups(num_replicas=4)
    expect((groups.members, groups.share), ([[0], [1], [2], [3]], (0, 1)))
    outer = MMDistributedDataParallel(nn.Linear(1, 1, bias=False))
    inner = groups.wrap(outer)
    assert inner is outer.module
    # Different numbers of steps: a collective would hang.
    with groups.scope():
        for _ in range(rank + 1):
            inner(torch.ones(1, 1)).backward()
    expect(inner.weight.grad.item(), rank + 1.0)
    inner.weight.grad = None
    outer(torch.full((1, 1), float(rank))).backward()
    expect(inner.weight.grad.item(), 1.5)  # of all four again
    close(groups)


def a_replica_of_two_ranks_averages_over_them(rank):
    groups = ReplicaGroups(num_replicas=2)
    outer = MMDistributedDataParallel(nn.Linear(1, 1, bias=False))
    pair = groups.wrap(outer)
    with groups.scope():
        pair(torch.full((1, 1), float(rank))).backward()
    expect(pair.module.weight.grad.item(), 0.5 if rank < 2 else 2.5)
    bare = nn.Linear(1, 1)
    raises(
        ValueError,
        'Found Linear',
        lambda: groups.wrap(bare),
    )
    close(groups)


def an_error_inside_a_scope_gives_the_world_back(rank):
    groups = ReplicaGroups(num_replicas=4)
    raises(KeyError, 'x', lambda: fail_inside(groups))
    expect(dist.get_dist_info(), (rank, 4))
    close(groups)


def fail_inside(groups):
    with groups.scope():
        raise KeyError('x')


def without_the_swap_a_rank_believes_it_is_alone(rank):
    assert CAN_SWAP
    with no_group():
        expect(dist.get_dist_info(), (0, 1))
        expect(float(reduce_mean(torch.tensor(float(rank)))), float(rank))
    expect(dist.get_dist_info(), (rank, 4))


def ranks_that_are_left_over_are_in_no_group(rank):
    groups = ReplicaGroups(num_replicas=3)
    expect(groups.index, rank if rank < 3 else None)
    expect(
        list(groups.own_of([[4], [5, 6], []])),
        {0: [4], 1: [5, 6]}.get(rank, []),
    )
    expect(groups.share, (0, 1))
    with groups.scope():
        expect(dist.get_dist_info(), (0, 1))
    close(groups)


def nested_values_come_over_as_they_are(rank):
    channel = Channel()
    value = dict(
        a=[torch.arange(3), (torch.tensor(1.5, dtype=torch.float64), None)],
        b={3: 'x', 'empty': torch.empty(0, 2)},
    )
    found = channel.broadcast(value if rank == 2 else None, 2)
    expect((found is value), rank == 2)
    expect(found['a'][0].tolist(), [0, 1, 2])
    expect(found['a'][1][0].item(), 1.5)
    expect(found['a'][1][0].dtype, torch.float64)
    expect(found['b']['empty'].shape, (0, 2))
    expect(found['b'][3], 'x')
    channel.close()


def what_rank_0_raises_is_raised_on_all(rank):
    channel = Channel()
    calls = []
    expect(channel.from_main(lambda: calls.append(1) or 'done'), 'done')
    expect(len(calls), int(rank == 0))
    kind, text = (KeyError, 'why') if rank == 0 else (RemoteError, 'why')
    raises(kind, text, lambda: channel.from_main(lambda: {}['why']))
    expect(channel.gather(rank, str), [0, 1, 2, 3])
    channel.close()


def modules_bound_to_the_world_are_refused(rank):
    model = nn.Sequential(nn.Linear(1, 1), BatchSyncRandomResize((4, 8)))
    raises(ValueError, 'Found 1.', lambda: check_sync_batch_norm(model))
    check_sync_batch_norm(model[0])


def a_silent_rank_is_named(rank):
    channel = Channel(timeout=2)
    if rank == 2:
        return  # says nothing
    silent = 2 if rank == 0 else 0
    named = (
        f'rank {silent} on {socket.gethostname()}: replica {silent}\nA rank'
    )
    found = raises(
        RemoteError,
        named,
        lambda: channel.gather(None, lambda r: f'replica {r}'),
    )
    assert 'replica 1' not in found, found


CHECKS = (
    all_that_names_no_group_acts_inside_the_pair,
    a_replica_of_one_rank_trains_beside_the_worlds_wrapper,
    a_replica_of_two_ranks_averages_over_them,
    an_error_inside_a_scope_gives_the_world_back,
    without_the_swap_a_rank_believes_it_is_alone,
    ranks_that_are_left_over_are_in_no_group,
    nested_values_come_over_as_they_are,
    what_rank_0_raises_is_raised_on_all,
    modules_bound_to_the_world_are_refused,
    a_silent_rank_is_named,  # last: its channel is broken
)


def run_checks():
    """Runs all checks on this rank, and prints which have passed."""
    processes.join()
    for check in CHECKS:
        check(torch_dist.get_rank())
        print('passed', check.__name__, flush=True)
