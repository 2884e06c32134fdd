"""Weights of epochs on two ranks, which see different losses."""

from pathlib import Path

from tests.support import processes

WORKER = Path(__file__).with_name('loss_weighting_worker.py')


def test_a_resumed_run_has_the_losses_of_all_ranks(tmp_path):
    processes.run(WORKER, 2, tmp_path)
    weights = tmp_path / 'weights.jsonl'
    whole = weights.read_text()
    assert len(whole.splitlines()) == 3
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    processes.run(WORKER, 2, tmp_path)
    assert weights.read_text() == whole
