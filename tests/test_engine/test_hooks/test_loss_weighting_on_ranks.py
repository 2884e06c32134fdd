"""Weights of epochs on two ranks, which see different losses."""

import pytest
from torch.utils.data import BatchSampler

from tests.support import processes
from tests.test_engine.test_hooks import loss_weighting_worker


def test_a_resumed_run_has_the_losses_of_all_ranks(tmp_path):
    processes.run(loss_weighting_worker.train, 2, tmp_path)
    weights = tmp_path / 'weights.jsonl'
    whole = weights.read_text()
    assert len(whole.splitlines()) == 3
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    processes.run(loss_weighting_worker.train, 2, tmp_path)
    assert weights.read_text() == whole


@pytest.mark.parametrize(
    ('ranks', 'options'),
    [
        (1, {}),
        (2, {}),
        (2, dict(batch_sampler=dict(type=BatchSampler, drop_last=False))),
    ],
)
def test_an_epoch_of_an_infinite_sampler_is_shared_out_among_ranks(
    tmp_path, ranks, options
):
    """Twelve images are three iterations of four, on any number of ranks."""
    train = loss_weighting_worker.train_by_iterations
    processes.run(train, ranks, tmp_path, options)
    lines = (tmp_path / 'weights.jsonl').read_text().splitlines()
    assert len(lines) == 4
