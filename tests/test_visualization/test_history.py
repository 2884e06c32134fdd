"""Records are read back, or the faulty line is named."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmada.visualization import read_epochs, read_search
from tests.test_visualization.records import (
    OBJECTIVES,
    epoch_record,
    round_record,
    write,
)
from tests.test_visualization.test_report.runs import asl_record, resampled


def read(tmp_path, records, tail='', config=None):
    path = write(tmp_path / 'exploration' / 'history.jsonl', records, tail)
    return read_search(path, config)


def test_rounds_of_weights(tmp_path):
    records = [round_record(1), round_record(2, updated=False)]
    search = read(tmp_path, records, '{"round": 3, "obj')
    first, second = search.rounds
    assert (search.title, search.what) == ('exploration', 'weights')
    assert search.numbers == [1, 2]
    assert search.names == tuple(OBJECTIVES)
    assert first.actions.tolist() == [[1, 2, 3], [0.5, 0.25, 4]]
    assert first.rewards.tolist() == [-1, 1]
    assert first.best == 1
    assert first.updated and not second.updated
    assert first.info == {'kl': 0.1}
    assert first.resamples is None
    assert first.trained.tolist() == [True, True]
    assert second.values('coco_panoptic/PQ').tolist() == [42, 52]
    assert search.values('coco_panoptic/PQ_th').tolist() == [[1, 2], [1, 2]]
    assert search.winner.tolist() == [51, 52]
    assert search.chosen.tolist() == [[0.5, 0.25, 4], [0.5, 0.25, 8]]


def test_rounds_of_different_widths(tmp_path):
    alone = dict(
        weights=[[1.0, 2.0, 3.0]],
        rewards=[0.0],
        metrics=[{'coco_panoptic/PQ': 5.0}],
        best=0,
    )
    rests = dict(plan=['paused', 'own'])
    search = read(
        tmp_path, [round_record(1, **rests), round_record(2, **alone)]
    )
    nan = [math.nan] * 3
    np.testing.assert_array_equal(
        search.tried, [[nan, [0.5, 0.25, 4]], [[1, 2, 3], nan]]
    )
    np.testing.assert_array_equal(
        search.values('coco_panoptic/PQ'), [[41, 51], [5, math.nan]]
    )


def test_epochs(tmp_path):
    losses = [0.1, None, 0.3]
    records = [
        epoch_record(2),
        epoch_record(1),
        epoch_record(2, weights=[3.0, 2.0, 1.0], losses=losses),
    ]
    found = read_epochs(write(tmp_path / 'w', records, '{"epo'))
    assert found.numbers == [1, 2]
    assert found.names == tuple(OBJECTIVES)
    assert found.weights.tolist() == [[1, 0.5, 2], [3, 2, 1]]
    np.testing.assert_array_equal(
        found.losses, [[math.nan] * 3, [0.1, math.nan, 0.3]]
    )


def test_no_epochs(tmp_path):
    assert read_epochs(tmp_path / 'absent') is None
    assert read_epochs(write(tmp_path / 'w', [], '{"epo')) is None


@pytest.mark.parametrize('tail', ['{"round": 2, "obj', '{', '"'])
def test_a_cut_last_line_does_not_count(tmp_path, tail):
    assert read(tmp_path, [round_record(1)], tail).numbers == [1]


def test_of_a_repeated_round_the_later_record_counts(tmp_path):
    records = [round_record(1), round_record(2), round_record(2, best=0)]
    search = read(tmp_path, records)
    assert search.numbers == [1, 2]
    assert search.rounds[1].best == 0


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='absent'):
        read_search(tmp_path / 'absent')


def without(name: str) -> dict[str, Any]:
    record = round_record(2)
    del record[name]
    return record


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('{"round": 2, "obj', 'should be a JSON object. Found'),
        ('[1]', "should be a JSON object. Found '[1]'"),
        (
            json.dumps(without('best')),
            "should have the field 'best'. Found ['info', 'losses'",
        ),
        (
            json.dumps(round_record(2, weights=[[1.0, 2.0]])),
            '`weights` should have the shape (2, 3). Found (1, 2).',
        ),
        (
            json.dumps(round_record(2, rewards=[1.0])),
            '`rewards` should have the shape (2,). Found (1,).',
        ),
        (
            json.dumps(round_record(2, best=2)),
            '`best` should be the index of one of 2 replicas. Found 2.',
        ),
        (
            json.dumps(round_record(2, objectives=['a', 'b', 'c'])),
            f'the names should be {OBJECTIVES}, as in the lines before. Found '
            "['a', 'b', 'c'].",
        ),
        (json.dumps(round_record(2, metrics=3)), 'int'),
    ],
)
def test_a_faulty_line_is_named(
    tmp_path: Path, line: str, message: str
) -> None:
    path = write(tmp_path / 'h', [round_record(1)], line + '\n{}\n')
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_search(path)
    assert f'{path}, line 2' in str(caught.value)


def test_a_faulty_epoch_is_named(tmp_path: Path) -> None:
    records = [epoch_record(1), epoch_record(2, weights=[1.0])]
    with pytest.raises(ValueError, match=r'line 2: `weights` .* shape \(3,\)'):
        read_epochs(write(tmp_path / 'w', records))


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
