import pytest
import torch

from tests.support import processes
from tests.test_engine.test_hooks import gradient_weighting_worker

pytest.importorskip('torchjd', reason='[torchjd] is not installed')


def train(path, world_size, aggregator):
    """Returns parameters and weights of each rank."""
    path.mkdir()
    processes.run(
        gradient_weighting_worker.train, world_size, path, aggregator
    )
    return [torch.load(path / f'{rank}.pt') for rank in range(world_size)]


def test_two_ranks_train_as_one_on_the_same_rows(tmp_path):
    (one,) = train(tmp_path / 'one', 1, 'IMTLG')
    first, second = train(tmp_path / 'two', 2, 'IMTLG')
    assert first[1] == second[1]
    assert len({tuple(weights) for weights in first[1]}) == 9
    torch.testing.assert_close(
        torch.tensor(one[1]), torch.tensor(first[1]), rtol=1e-3, atol=0
    )
    for name, value in one[0].items():
        torch.testing.assert_close(
            value, first[0][name], rtol=1e-3, atol=1e-4, msg=name
        )
        assert torch.equal(first[0][name], second[0][name]), name


def test_a_loss_absent_from_one_rank_holds_up_none(tmp_path):
    """Random weights are new each time, and the same on all ranks."""
    path = tmp_path / 'two'
    path.mkdir()
    started = processes.start(
        gradient_weighting_worker.train,
        2,
        path,
        'Random',
        only=(1, dict(ABSENT='4')),
    )
    codes, outputs = processes.finish(started)
    assert codes == [0, 0], '\n'.join(outputs)
    weights = [torch.load(path / f'{rank}.pt')[1] for rank in range(2)]
    assert weights[0] == weights[1]
    assert weights[0][4] == weights[0][3]
    assert weights[0][5] != weights[0][4]
