"""Features on two ranks: replicas of one rank each, then a DDP training."""

import re

import pytest
import torch

from tests.support import processes
from tests.test_engine.test_training_features import ranks_worker, uses


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    """The work directories, and how many graphs each rank has compiled."""
    work_dir = tmp_path_factory.mktemp('ranks')
    outputs = processes.run(ranks_worker.explore_and_train, 2, work_dir)
    graphs = [
        {k: int(v) for k, v in re.findall(r'^(\w+): (\d+) graphs', o, re.M)}
        for o in outputs
    ]
    return work_dir, graphs


def result(work_dir):
    saved = torch.load(work_dir / 'epoch_2.pth', weights_only=False)
    rows = [uses.rows(use, work_dir) for use in ('exploration', 'training')]
    return dict(state=saved['state_dict'], rows=rows)


@pytest.mark.parametrize('kind', ['compiled', 'recomputed'])
def test_runs_on_two_ranks_have_the_same_bits(found, kind):
    work_dir, _ = found
    uses.assert_same(result(work_dir / 'plain'), result(work_dir / kind))


def test_replicas_and_training_are_both_compiled(found):
    """Two graphs each, for the first iteration and for any later one."""
    for graphs in found[1]:
        assert graphs['plain'] == graphs['recomputed'] == 0
        assert 3 <= graphs['compiled'] <= 4
