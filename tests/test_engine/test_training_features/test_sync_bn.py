"""SyncBN: BatchNorm on one rank, and the replica's own ranks on several."""

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import MODELS
from torch import nn

from tests.support import processes, toy
from tests.test_engine.test_training_features import sync_bn_worker, uses


@MODELS.register_module()
class SyncDetector(toy.ToyDetector):
    """Built with SyncBN, as by `norm_cfg=dict(type='SyncBN')`."""

    def __init__(self):
        super().__init__()
        self.trunk[1] = nn.SyncBatchNorm(8)


SYNC = dict(toy.MODEL, detector=dict(type='SyncDetector'))


@pytest.mark.parametrize('use', uses.USES)
def test_on_one_rank_it_is_batch_norm(tmp_path, use):
    plain = uses.run(use, tmp_path / 'plain')
    synced = uses.run(use, tmp_path / 'synced', model=SYNC, sync_bn='torch')
    uses.assert_same(plain, synced)


def test_on_two_ranks_a_replica_averages_over_its_own():
    """The checks of sync_bn_worker.py, which name themselves."""
    for output in processes.run(sync_bn_worker.run_checks, 2):
        assert output.count('passed') == 3


def test_ranks_without_gpus_are_refused_by_torch(tmp_path):
    """Before any training step, when the Runner is built."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/meet', rank=0, world_size=1
    )
    try:
        with pytest.raises(ValueError, match='only work with GPU modules'):
            MMDistributedDataParallel(MODELS.build(dict(type='SyncDetector')))
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.skipif(
    torch.cuda.device_count() < 1, reason='SyncBN asks for a GPU'
)
def test_a_gpu_of_one_rank_averages_over_itself(tmp_path):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/meet', rank=0, world_size=1
    )
    try:
        rows = torch.arange(12.0, device='cuda').reshape(4, 3)
        synced = nn.SyncBatchNorm(3).cuda()(rows)
    finally:
        torch.distributed.destroy_process_group()
    torch.testing.assert_close(synced, nn.BatchNorm1d(3).cuda()(rows))
