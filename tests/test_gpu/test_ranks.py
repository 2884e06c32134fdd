"""A search on one GPU: NCCL for its only rank, gloo where several share it.

Without a GPU all meet through gloo, on the CPU.
"""

import pytest
import torch

from tests.support import processes, toy
from tests.test_engine.test_training_features import uses
from tests.test_gpu import ranks_worker


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """The search in a single process that is no rank."""
    folder = tmp_path_factory.mktemp('alone')
    return uses.run('exploration', folder, model=toy.SMOOTH)['rows']


@pytest.mark.slow
@pytest.mark.parametrize(
    ('ranks', 'ranks_per_replica'), [(1, 1), (2, 1), (2, 2)]
)
def test_ranks_find_what_one_process_finds(
    tmp_path, alone, ranks, ranks_per_replica
):
    with processes.agent() as rendezvous:
        outputs = processes.run(
            ranks_worker.explore,
            ranks,
            tmp_path,
            ranks_per_replica,
            env=dict(rendezvous, CUDA_VISIBLE_DEVICES='0'),
        )
    backend = 'nccl' if torch.cuda.is_available() and ranks == 1 else 'gloo'
    for output in outputs:
        assert f'They met through {backend}' in output
    found = dict(state={}, rows=uses.rows('exploration', tmp_path))
    uses.assert_close(dict(state={}, rows=alone), found)
