import pytest
from mmengine.dist import get_dist_info
from torch import distributed

from mmada.engine.distributed import (
    Channel,
    ReplicaGroups,
    Share,
    as_rank,
    partition,
)
from mmada.engine.distributed.channel import _ranks_in
from tests.support import processes
from tests.test_engine.test_distributed import groups_worker


def test_groups_and_channel_on_four_ranks():
    """The checks of groups_worker.py, which name themselves."""
    outputs = processes.run(groups_worker.run_checks, 4)
    for output in outputs:
        assert output.count('passed') == 10


@pytest.mark.parametrize(
    ('world_size', 'num_replicas', 'ranks_per_replica', 'expected'),
    [
        (1, 8, None, [[0]]),
        (4, 8, None, [[0], [1], [2], [3]]),
        (3, 8, None, [[0], [1], [2]]),
        (4, 4, None, [[0], [1], [2], [3]]),
        (8, 4, None, [[0, 1], [2, 3], [4, 5], [6, 7]]),
        (7, 3, None, [[0, 1], [2, 3], [4, 5]]),
        (8, 8, 8, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        (5, 4, 2, [[0, 1], [2, 3]]),
        (8, 2, 1, [[0], [1]]),
    ],
)
def test_ranks_are_divided_evenly(
    world_size, num_replicas, ranks_per_replica, expected
):
    found = partition(world_size, num_replicas, ranks_per_replica)
    assert found == expected


@pytest.mark.parametrize('value', [-1, 5])
def test_a_group_larger_than_the_world_is_refused(value):
    with pytest.raises(
        ValueError, match=f'`ranks_per_replica` .*4.*Found {value}'
    ):
        partition(4, 8, value)


def test_one_process_is_one_group_without_a_process_group():
    groups, channel = ReplicaGroups(3), Channel()
    assert (groups.members, groups.leaders, len(groups)) == ([[0]], [0], 1)
    assert groups.own_of([[2, 4]]) == [2, 4]
    value = object()
    assert channel.broadcast(value, 0) is value
    assert channel.from_main(lambda: value) is value
    assert channel.gather(value, str) == [value]
    with groups.scope():
        pass
    groups.close()
    channel.close()


def test_code_finds_the_rank_of_a_share():
    assert get_dist_info() == (0, 1)
    with as_rank(Share(2, 4)):
        assert get_dist_info() == (2, 4)
        assert distributed.get_rank() == 2
        with as_rank(Share(0, 1)):
            assert get_dist_info() == (0, 1)
    assert get_dist_info() == (0, 1)


def test_the_ranks_that_gloo_blames():
    message = '[Rank 0]: Ranks 1, 3 failed to pass monitoredBarrier in 9 ms'
    assert _ranks_in(message) == {1, 3}
    assert _ranks_in('[Rank 0]: Rank 2 failed to pass') == {2}
    assert _ranks_in('Connection closed by peer') == set()
