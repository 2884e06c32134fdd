"""Detectors whose losses divide by a mean over the ranks (`reduce_mean`)."""

import json
import math

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint

from mmada.engine import load_policy
from mmada.engine.reward import RewardEvaluator
from mmada.models import Objectives
from tests.support import processes, tiny_detectors
from tests.support.tiny_data import TinyBoxes
from tests.test_integration import reduce_mean_worker

pytestmark = pytest.mark.slow

LAYERS = dict(
    detr=('d0.', ''),
    mask2former=('d0.', 'd1.', ''),
    fixed_mask2former=('d0.', 'd1.', ''),
)
ALONE = ('fcos', 'gfl', 'detr', 'mask2former')
# What Mask2Former draws for an image depends on those before it in the batch.
TOGETHER = ('fcos', 'gfl', 'detr', 'fixed_mask2former')

each = pytest.mark.parametrize('name', tiny_detectors.DETECTORS)


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    """Folder with the explorations on one rank."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp('one')
    for name in tiny_detectors.DETECTORS:
        tiny_detectors.runner(name, folder / name).train()
    return folder


def explore(folder, world_size, variants):
    """Explores {detector: numbers of ranks per replica}."""
    processes.run(reduce_mean_worker.explore, world_size, folder, variants)
    return folder


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    """Folder with the explorations on two ranks, one or both a replica."""
    folder = tmp_path_factory.mktemp('two')
    sizes = (1, ALONE), (2, TOGETHER)
    return explore(
        folder,
        2,
        {
            name: [size for size, names in sizes if name in names]
            for name in tiny_detectors.DETECTORS
        },
    )


def history(work_dir):
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_same_run(first, second):
    a, b = history(first), history(second)
    assert a[-1]['digest'] == b[-1]['digest']
    assert a == b
    policy = 'policy.safetensors'
    assert (first / policy).read_bytes() == (second / policy).read_bytes()


def bare(name):
    init_default_scope('mmdet')
    return MODELS.build(Config(tiny_detectors.DETECTORS)[name])


@each
def test_every_loss_of_each_layer_belongs_to_an_objective(name):
    detector = bare(name)
    item = TinyBoxes()[0]
    batch = {key: [value] for key, value in item.items()}
    data = detector.data_preprocessor(batch, True)
    losses = [k for k in detector(**data, mode='loss') if 'loss' in k]
    patterns = tiny_detectors.OBJECTIVES[name]
    expected = [
        f'{layer}loss_{kind}'
        for layer in LAYERS.get(name, ('',))
        for kind in patterns
    ]
    assert sorted(losses) == sorted(expected)
    objectives = Objectives(patterns)
    kinds = [objectives.names[objectives.index(loss)] for loss in losses]
    assert kinds == [loss.split('loss_')[1] for loss in losses]


@each
def test_explores_with_weights_other_than_ones(one, name):
    rounds = history(one / name)
    assert [record['round'] for record in rounds] == [1, 2]
    for record in rounds:
        first, second = record['weights']
        assert first != second
        assert max(abs(w - 1) for w in first + second) > 0.1
        scores = [m['tiny/overlap'] for m in record['metrics']]
        assert all(0 < score < 1 for score in scores)
        assert scores[0] != scores[1]
        assert all(math.isfinite(loss) for loss in record['losses'])
    policy = load_policy(one / name / 'policy.safetensors')
    assert policy.num_rounds == 2
    assert policy.objectives == tuple(tiny_detectors.OBJECTIVES[name])


@each
def test_the_bare_detector_scores_as_the_explored_one(one, name):
    detector = bare(name)
    load_checkpoint(detector, str(one / name / 'explored.pth'), strict=True)
    options = tiny_detectors.exploration()
    evaluator = RewardEvaluator(
        options['reward_dataloader'],
        options['reward_evaluator'],
        options['reward_metric'],
        seed=0,
    )
    last = history(one / name)[-1]
    assert evaluator.evaluate(detector) == last['metrics'][last['best']]


@pytest.mark.parametrize('name', ALONE)
def test_two_ranks_explore_to_the_same_bits(one, two, name):
    assert_same_run(one / name, two / name / '1')


@pytest.mark.parametrize('name', TOGETHER)
def test_two_ranks_train_a_replica_with_the_whole_batch_as_one(one, two, name):
    rounds = history(two / name / '2')
    assert len(rounds) == 2
    alone, shared = history(one / name)[0], rounds[0]
    assert shared['losses'] == pytest.approx(alone['losses'], rel=1e-5)
    for a, b in zip(alone['weights'], shared['weights'], strict=True):
        assert b == pytest.approx(a, rel=1e-5)
    for a, b in zip(alone['metrics'], shared['metrics'], strict=True):
        assert b == pytest.approx(a, rel=1e-4)


def test_two_groups_of_two_ranks_explore_as_one_group_did(two, tmp_path):
    """The normaliser is the group's, neither the rank's nor the world's."""
    explore(tmp_path, 4, dict(gfl=[2]))
    assert_same_run(two / 'gfl/2', tmp_path / 'gfl/2')
