"""Two ranks whose work directories are one, or two."""

import socket

import pytest

from tests.support import processes
from tests.test_engine.test_distributed import shared_directory_worker


@pytest.mark.parametrize('then_train', [False, True])
def test_ranks_that_share_no_work_dir_are_named_before_any_step(
    tmp_path, then_train
):
    ranks = processes.start(
        shared_directory_worker.search, 2, tmp_path, then_train
    )
    codes, outputs = processes.finish(ranks)
    assert codes == [1, 1]
    host = socket.gethostname()
    for output in outputs:
        assert (
            f'Found {tmp_path}/node0 of rank 0 on {host}, and what is written '
            f'there is not seen by rank 1 on {host} ({tmp_path}/node1).'
        ) in output
        assert output.splitlines()[-1].startswith('ValueError: `work_dir` ')
    left = [path.name for path in tmp_path.glob('node*/*')]
    assert not [name for name in left if name.startswith('tmp.')]
    assert 'exploration' not in left


def test_a_file_may_take_a_while_to_show(tmp_path):
    outputs = processes.run(shared_directory_worker.look, 2, tmp_path)
    assert [output.splitlines()[-1] for output in outputs] == ['seen'] * 2
    assert list((tmp_path / 'node0').iterdir()) == []
