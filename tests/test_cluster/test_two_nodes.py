"""Two nodes of a rank each, with a network between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_cluster import nodes as two_nodes
from tests.test_cluster.clock import seconds_a_round
from tests.test_cluster.conftest import digests, has_begun, write_config
from tests.test_cluster.nodes import Nodes, Train
from tests.test_cluster.slurm import wait_until
from tests.test_tools.shell import CPU_ONLY

pytestmark = [pytest.mark.cluster, CPU_ONLY]

DELAY, LOST = 0.05, 0.01


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    """Two nodes with a good link."""
    with two_nodes.connected(tmp_path) as found:
        yield found


def train(
    nodes: Nodes, config: Path, work_dir: Path, **env: str
) -> list[Train]:
    """Starts the training on both nodes."""
    return [nodes.train(n, config, work_dir, **env) for n in range(2)]


def assert_ends_well(started: list[Train]) -> None:
    for one in started:
        assert one.finish() == 0, one.output()


def test_two_nodes_find_what_one_process_finds(
    nodes: Nodes, undisturbed: Path, tmp_path: Path
) -> None:
    assert_ends_well(train(nodes, write_config(tmp_path), tmp_path))
    assert digests(tmp_path) == digests(undisturbed)
    print(f'{seconds_a_round(tmp_path):.2f} s a round')


def test_a_link_with_delay_and_loss(undisturbed: Path, tmp_path: Path) -> None:
    with two_nodes.connected(tmp_path, DELAY, LOST) as nodes:
        assert_ends_well(train(nodes, write_config(tmp_path), tmp_path))
    assert digests(tmp_path) == digests(undisturbed)
    print(f'{seconds_a_round(tmp_path):.2f} s a round')


def interrupted(
    nodes: Nodes, work_dir: Path, node: int, **env: str
) -> tuple[Path, Train]:
    """Kills a node in the second round.

    Returns:
        The config, and the training of the other node.
    """
    faults = [
        dict(kind='wait', seconds=s, round=1, replica=k)
        for k, s in ((node, 120), (1 - node, 2))
    ]
    config = write_config(work_dir, faults=faults)
    started = train(nodes, config, work_dir, **env)
    wait_until(
        lambda: has_begun(work_dir, 1, node), 240, started[1 - node].output
    )
    nodes.kill(node)
    return config, started[1 - node]


@pytest.mark.parametrize('node', [0, 1])
def test_a_dead_node_is_named_and_one_node_goes_on(
    nodes: Nodes, undisturbed: Path, tmp_path: Path, node: int
) -> None:
    config, other = interrupted(nodes, tmp_path, node)
    assert other.finish(60) != 0
    text = f'rank {node} on node{node}: replica {node + 1}\n'
    assert text in other.output()
    # On the node that held the lock: another one cannot know that it died.
    assert_ends_well([nodes.train(0, config, tmp_path, NNODES='1')])
    assert digests(tmp_path) == digests(undisturbed)


def test_a_dead_node_is_started_again(
    nodes: Nodes, undisturbed: Path, tmp_path: Path
) -> None:
    config, other = interrupted(nodes, tmp_path, 1, MAX_RESTARTS='1')
    again = nodes.train(1, config, tmp_path, MAX_RESTARTS='1')
    assert_ends_well([other, again])
    assert digests(tmp_path) == digests(undisturbed)


def test_nodes_with_disks_of_their_own_are_told_so(
    nodes: Nodes, tmp_path: Path
) -> None:
    config, work_dir = write_config(tmp_path), tmp_path / 'work'
    work_dir.mkdir()
    own_disk = f'mount -t tmpfs none {work_dir}'
    started = [
        nodes.train(n, config, work_dir, setup=setup)
        for n, setup in enumerate((':', own_disk))
    ]
    for one in started:
        assert one.finish() != 0
        assert (
            f'Found {work_dir} of rank 0 on node0, and what is written there '
            f'is not seen by rank 1 on node1 ({work_dir}).'
        ) in one.output()
