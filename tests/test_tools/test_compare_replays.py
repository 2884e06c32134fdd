"""What a search would have found by another reward."""

import json

import pytest
import torch

from mmada.controllers import SlopeSearch
from mmada.policies.policy_file import load_policy, save_policy
from tests.support.scripts import load

LOSSES = torch.tensor([0.2, 1.5, 0.6, 0.9], dtype=torch.float64)
NAMES = ('boxes', 'masks', 'classes', 'seg')


@pytest.fixture(scope='module')
def replays():
    return load('benchmarks/compare/replays.py')


@pytest.fixture(scope='module')
def jobs():
    return load('benchmarks/compare/jobs.py')


def search(folder, metrics_of, **options):
    """Plays a search as a run records it; rewarded with `metrics_of`' PQ."""
    controller = SlopeSearch(4, 3, 8, noise=0.0, seed=7, **options)
    lines = []
    for _ in range(3):
        weights = controller.propose(LOSSES)
        found = [
            {f'coco_panoptic/{k}': float(v) for k, v in metrics_of(w).items()}
            for w in weights
        ]
        scores = [metrics['coco_panoptic/PQ'] for metrics in found]
        controller.observe(torch.tensor(scores).double(), None)
        lines.append(
            dict(losses=LOSSES.tolist(), metrics=found, objectives=NAMES)
        )
    (folder / 'exploration').mkdir(parents=True)
    history = '\n'.join(map(json.dumps, lines))
    (folder / 'exploration' / 'history.jsonl').write_text(history)
    ensemble = controller.ensemble().named(NAMES)
    save_policy(folder / 'policy.safetensors', ensemble)
    return factors(folder)


def factors(folder):
    ensemble = load_policy(folder / 'policy.safetensors', NAMES)
    return ensemble.policies[-1].bias.flatten()


def test_things_and_stuff_alike_give_what_the_search_found(replays, tmp_path):
    def alike(weights):
        quality = 30 + weights[0].log()
        return dict(PQ=quality, PQ_th=quality, PQ_st=quality)

    found = search(tmp_path / 'search', alike)
    replays.replay(tmp_path / 'search', 'things and stuff', tmp_path / 'new')
    assert found.argmax() == 0
    torch.testing.assert_close(
        factors(tmp_path / 'new'), found, rtol=1e-5, atol=1e-5
    )


def test_half_a_step_is_half_of_what_the_search_found(replays, tmp_path):
    def metrics(weights):
        return dict(PQ=30 + weights[0].log())

    found = search(tmp_path / 'search', metrics)
    replays.replay(tmp_path / 'search', '', tmp_path / 'new', 0.5)
    torch.testing.assert_close(
        factors(tmp_path / 'new'), found / 2, rtol=1e-5, atol=1e-5
    )


def test_a_percent_of_few_things_counts_as_one_of_stuff(replays, tmp_path):
    """PQ follows seg; things, of which little is found, lose by it."""

    def metrics(weights):
        seg = weights[3].log() - weights[:3].log().mean()
        things, stuff = 4 * (1 - 0.1 * seg), 40 * (1 + 0.05 * seg)
        return dict(PQ=(things + stuff) / 2, PQ_th=things, PQ_st=stuff)

    found = search(tmp_path / 'search', metrics, centre=False, control=False)
    replays.replay(tmp_path / 'search', 'things and stuff', tmp_path / 'new')
    assert found[3] > 1
    assert factors(tmp_path / 'new')[3] < -1


def test_a_control_that_wins_is_noted(replays, tmp_path):
    def metrics(weights):
        uneven = weights.log().std()
        return dict(PQ=40 + uneven, PQ_th=20 - uneven, PQ_st=40 - uneven)

    search(tmp_path / 'search', metrics)
    replays.replay(tmp_path / 'search', 'things and stuff', tmp_path / 'new')
    before, after = (
        load_policy(tmp_path / name / 'policy.safetensors', NAMES)
        for name in ('search', 'new')
    )
    assert not before.nothing_learned
    assert 'all weights 1 ended at' in after.nothing_learned


def test_the_last_two_rounds_count_as_all(replays):
    rounds = [
        [{'coco_panoptic/PQ': v}, {'coco_panoptic/PQ': 9 - v}]
        for v in (7.0, 1.0, 4.0)
    ]
    found = replays.last_two_rounds(rounds)
    assert found.tolist() == [[2.5, 6.5]] * 3


def test_a_row_needs_the_search_and_then_its_replay(jobs):
    problem = load('benchmarks/compare/problems.py').CAMVID
    row = 'SlopeSearch, equal terms, things and stuff'
    search, replay, training = jobs.jobs_of(problem, jobs.METHODS[row], 2)
    assert [search.kind, replay.kind, training.kind] == [
        'search',
        'replay',
        'train',
    ]
    assert search.name == 'SlopeSearch, equal terms'
    assert replay.needs == (search.key,)
    assert replay.key in training.needs
