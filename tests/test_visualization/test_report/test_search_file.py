import math
import re

import numpy as np
import pytest

from mmada.visualization.report.search_file import read_search
from tests.test_visualization.records import round_record, write
from tests.test_visualization.test_report.runs import asl_record, resampled


def read(tmp_path, records, tail='', config=None):
    path = write(tmp_path / 'exploration' / 'history.jsonl', records, tail)
    return read_search(path, config or {})


def test_a_round_of_weights(tmp_path):
    search = read(tmp_path, [round_record(1)], '{"round": 2, "obj')
    (entry,) = search.rounds
    assert (search.title, search.what) == ('exploration', 'weights')
    assert entry.actions.tolist() == [[1, 2, 3], [0.5, 0.25, 4]]
    assert entry.values('coco_panoptic/PQ').tolist() == [41, 51]
    assert entry.info == {'kl': 0.1}
    assert entry.resamples is None
    assert entry.trained.tolist() == [True, True]
    assert search.winner.tolist() == [51]


def test_a_round_of_parameters_without_losses(tmp_path):
    search = read(tmp_path, [asl_record(1)])
    assert search.what == 'actions'
    assert search.rounds[0].losses.size == 0
    assert math.isnan(search.rounds[0].reference)


def test_nulls_and_replicas_that_rest(tmp_path):
    record = round_record(
        1,
        rewards=[None, 0.0],
        metrics=[{}, {'coco_panoptic/PQ': 5.0}],
        plan=['paused', 'own'],
        resamples=[None, [4.0, 6.0]],
    )
    (entry,) = read(tmp_path, [record]).rounds
    assert entry.trained.tolist() == [False, True]
    assert np.isnan(entry.rewards).tolist() == [True, False]
    assert np.isnan(entry.values('coco_panoptic/PQ')).tolist() == [True, False]
    assert np.isnan(entry.resamples[0]).all()
    assert entry.resamples[1].tolist() == [4, 6]


def test_resamples_of_all_replicas(tmp_path):
    record = round_record(1, resamples=resampled(1))
    (entry,) = read(tmp_path, [record]).rounds
    assert entry.resamples.tolist() == [[37, 41, 45], [55, 51, 47]]


@pytest.mark.parametrize(
    ('changes', 'config', 'expected'),
    [
        ({'reward_metric': 'b/x'}, {}, 'b/x'),
        ({}, {'reward_metric': 'b/x'}, 'b/x'),
        ({}, {'reward_metric': 'not/there'}, 'a/y'),
        ({}, {}, 'a/y'),  # the winner is best by it
    ],
)
def test_the_reward_metric(tmp_path, changes, config, expected):
    metrics = [{'b/x': 2.0, 'a/y': 1.0}, {'b/x': 1.0, 'a/y': 2.0}]
    record = round_record(1, metrics=metrics, **changes)
    assert read(tmp_path, [record], config=config).metric == expected


def test_no_round_yet(tmp_path):
    assert read(tmp_path, [], '{"rou') is None


def test_a_faulty_line_is_named(tmp_path):
    records = [round_record(1), round_record(2)]
    del records[1]['best']
    message = "history.jsonl, line 2: the field 'best' is missing"
    with pytest.raises(ValueError, match=re.escape(message)):
        read(tmp_path, records)
