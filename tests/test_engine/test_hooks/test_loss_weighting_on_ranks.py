"""Weights of epochs on two ranks, which see different losses."""

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
