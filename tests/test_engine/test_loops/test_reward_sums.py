"""Explorations that maximise a weighted sum, and what they leave of it."""

import json
import math

import pytest
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS

from mmada.engine import load_policy
from tests.support import toy

SUM = {'pair/score': 2.0, 'pair/largest': -0.5}


@METRICS.register_module()
class PairMetric(BaseMetric):
    """Two metrics and their values on the first and the last images.

    Args:
        broken_at: Number of the evaluation whose second metric is NaN, from 1.

    Attributes:
        stop_at: Number of the one that is interrupted.
    """

    default_prefix = 'pair'
    stop_at = 0

    def __init__(self, broken_at=0):
        super().__init__()
        self.broken_at = broken_at
        self.count = 0

    def process(self, data_batch, data_samples):
        self.results += [float(s['error']) for s in data_samples]

    def compute_metrics(self, results):
        self.count += 1
        if self.count == self.stop_at:
            raise KeyboardInterrupt
        mean, half = sum(results) / len(results), len(results) // 2
        return dict(
            score=-mean,
            largest=math.nan if self.count == self.broken_at else max(results),
            score_resamples=[-results[0], -results[-1]],
            largest_resamples=[max(results[:half]), max(results[half:])],
        )


def explore(work_dir, metric=SUM, evaluator=None, **options):
    config = toy.exploration(
        num_rounds=2,
        controller=dict(type='AdaSegment', num_replicas=2),
        reward_evaluator=evaluator or dict(type='PairMetric'),
        reward_metric=metric,
    )
    toy.runner(work_dir, train_cfg=config, **options).train()
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole')
    return work_dir, explore(work_dir)


def test_the_sum_is_maximised_and_its_parts_stay_visible(whole):
    for record in whole[1]:
        values = [m['weighted_sum'] for m in record['metrics']]
        for value, found in zip(values, record['metrics'], strict=True):
            parts = 2 * found['pair/score'] - found['pair/largest'] / 2
            assert value == pytest.approx(parts, rel=1e-12)
        assert values[record['best']] == max(values) > min(values)
        assert record['reward_metric'] == 'weighted_sum'


def test_the_policy_knows_the_weights_of_the_sum(whole):
    work_dir, history = whole
    origin = load_policy(work_dir / 'policy.safetensors').provenance
    last = history[-1]
    assert origin['reward_metric'] == SUM
    best = last['metrics'][last['best']]
    assert origin['final_metric'] == best['weighted_sum']


def test_each_replica_has_its_resamples(whole):
    for record in whole[1]:
        for values, found in zip(
            record['resamples'], record['metrics'], strict=True
        ):
            assert len(values) == 2
            # One half of the images holds the largest error.
            assert max(values) != min(values)
            assert -found['pair/largest'] * 2.5 <= min(values)


def test_a_metric_without_resamples_leaves_no_field(tmp_path):
    history = explore(tmp_path, 'toy/score', dict(type='ToyMetric'))
    assert not any('resamples' in record for record in history)
    assert {record['reward_metric'] for record in history} == {'toy/score'}


def test_a_resumed_round_has_the_resamples_of_before(
    whole, tmp_path, monkeypatch
):
    """Evaluations: that of the pseudo epoch, then one a replica."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PairMetric, 'stop_at', 3)
        explore(tmp_path)
    assert explore(tmp_path, resume=True) == whole[1]


@pytest.mark.parametrize(
    'metric', ['pair/score', {**SUM, 'pair/score': 1.0}, {'pair/score': 2.0}]
)
def test_a_resume_with_another_sum_is_refused(whole, metric):
    with pytest.raises(RuntimeError, match='reward_metric'):
        explore(whole[0], metric, resume=True)


def test_one_part_that_is_not_finite_makes_a_replica_invalid(tmp_path):
    evaluator = dict(type='PairMetric', broken_at=2)
    first = explore(tmp_path, evaluator=evaluator)[0]
    assert first['best'] == 1
    found = first['metrics'][0]
    assert found['weighted_sum'] is found['pair/largest'] is None
    assert found['pair/score'] is not None
