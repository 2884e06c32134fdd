"""SyncBN on two ranks: over whom it averages. Each function is a check.

Its sums are kernels of CUDA, so they are taken by one that keeps the ranks.
"""

from unittest import mock

import torch
from mmcv.ops import SyncBatchNorm as MMSyncBatchNorm
from mmengine import dist
from torch import distributed as torch_dist
from torch import nn
from torch.nn.modules import batchnorm

from mmada.engine.distributed import ReplicaGroups, check_sync_batch_norm
from tests.support import processes

ROWS = torch.arange(12.0).reshape(4, 3)


class Sums:
    """In place of what averages over ranks; keeps the last ones' number."""

    size = None

    @classmethod
    def apply(cls, rows, weight, bias, mean, var, eps, momentum, group, size):
        cls.size = torch_dist.get_world_size(group)
        assert cls.size == size
        return rows


def normalize():
    """Returns what SyncBN makes of rows, and over how many ranks."""
    Sums.size = None
    with (
        mock.patch.object(batchnorm, 'sync_batch_norm', Sums),
        mock.patch.object(
            torch._C, '_get_privateuse1_backend_name', lambda: 'cpu'
        ),
    ):
        return nn.SyncBatchNorm(3)(ROWS), Sums.size


def a_replica_of_one_rank_averages_over_itself():
    assert normalize()[1] == 2
    groups = ReplicaGroups(num_replicas=2)
    with groups.scope():
        found, size = normalize()
    assert size is None
    assert torch.equal(found, nn.BatchNorm1d(3)(ROWS))
    assert normalize()[1] == 2
    dist.barrier()
    groups.close()


def a_replica_of_two_ranks_averages_over_both():
    groups = ReplicaGroups(num_replicas=1)
    with groups.scope():
        assert normalize()[1] == 2
    dist.barrier()
    groups.close()


def layers_with_ranks_of_their_own_are_refused():
    fixed = nn.SyncBatchNorm(3, process_group=torch_dist.group.WORLD)
    for layer, kind in ((fixed, 'process_group'), (MMSyncBatchNorm(3), 'MMS')):
        model = nn.Sequential(nn.SyncBatchNorm(3), layer)
        try:
            check_sync_batch_norm(model)
        except ValueError as error:
            assert 'Found 1, a SyncBatchNorm' in str(error), error
            assert kind in str(error), error
        else:
            raise AssertionError(f'{kind} was not refused')
        check_sync_batch_norm(model[0])


def run_checks():
    """Runs all checks on this rank, and prints which have passed."""
    processes.join()
    for check in (
        a_replica_of_one_rank_averages_over_itself,
        a_replica_of_two_ranks_averages_over_both,
        layers_with_ranks_of_their_own_are_refused,
    ):
        check()
        print(check.__name__, 'passed')
