"""Records are read back, or the faulty line is named."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmada.visualization import read_history, read_weights
from mmada.visualization.history import read_search
from tests.test_visualization.records import (
    OBJECTIVES,
    epoch_record,
    round_record,
    write,
)
from tests.test_visualization.test_report.runs import asl_record, resampled


def test_rounds(tmp_path: Path) -> None:
    records = [round_record(1), round_record(2, updated=False)]
    first, second = read_history(write(tmp_path / 'h', records))
    assert first.number == 1
    assert first.objectives == tuple(OBJECTIVES)
    assert first.weights.tolist() == [[1, 2, 3], [0.5, 0.25, 4]]
    assert first.rewards.tolist() == [-1, 1]
    assert first.best == 1
    assert first.updated and not second.updated
    assert second.values('PQ').tolist() == [42, 52]
    assert second.values('PQ_th').tolist() == [1, 2]


def test_what_was_maximised(tmp_path: Path) -> None:
    records = [
        round_record(1),
        round_record(2, reward_metric='coco/bbox_mAP'),
        round_record(3, reward_metric='weighted_sum'),
    ]
    found = read_history(write(tmp_path / 'h', records))
    assert [r.metric for r in found] == ['PQ', 'bbox_mAP', 'weighted_sum']


def test_a_diverged_replica_has_no_metrics(tmp_path: Path) -> None:
    metrics = [{}, {'PQ': math.nan, 'PQ_th': 3.0}]
    (entry,) = read_history(
        write(tmp_path / 'h', [round_record(1, metrics=metrics)])
    )
    assert np.isnan(entry.values('PQ')).all()
    np.testing.assert_array_equal(entry.values('PQ_th'), [math.nan, 3])


def test_epochs(tmp_path: Path) -> None:
    path = write(tmp_path / 'w', [epoch_record(1), epoch_record(2)])
    first, second = read_weights(path)
    assert (first.number, second.number) == (1, 2)
    assert second.objectives == tuple(OBJECTIVES)
    assert second.weights.tolist() == [1, 1, 2]


@pytest.mark.parametrize('tail', ['{"round": 2, "obj', '{', '"'])
def test_a_cut_last_line_does_not_count(tmp_path: Path, tail: str) -> None:
    path = write(tmp_path / 'h', [round_record(1)], tail)
    assert [entry.number for entry in read_history(path)] == [1]


def test_of_a_repeated_round_the_later_record_counts(tmp_path: Path) -> None:
    records = [round_record(1), round_record(2), round_record(2, best=0)]
    entries = read_history(write(tmp_path / 'h', records))
    assert [entry.number for entry in entries] == [1, 2]
    assert entries[1].best == 0


def test_an_empty_file_has_no_rounds(tmp_path: Path) -> None:
    assert read_history(write(tmp_path / 'h', [])) == []


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='absent'):
        read_history(tmp_path / 'absent')


def without(name: str) -> dict[str, Any]:
    record = round_record(2)
    del record[name]
    return record


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('{"round": 2, "obj', 'not JSON'),
        ('[1]', "expected an object, found '[1]'"),
        (json.dumps(without('best')), "the field 'best' is missing"),
        (
            json.dumps(round_record(2, weights=[[1.0, 2.0]])),
            'weights should have shape (2, 3), found (1, 2)',
        ),
        (
            json.dumps(round_record(2, rewards=[1.0])),
            'rewards should have shape (2,), found (1,)',
        ),
        (
            json.dumps(round_record(2, best=2)),
            'best is 2, with 2 replicas',
        ),
        (
            json.dumps(round_record(2, objectives=['a', 'b', 'c'])),
            "the objectives are ['a', 'b', 'c'], those of the lines before "
            f'{OBJECTIVES}',
        ),
        (json.dumps(round_record(2, metrics=3)), 'int'),
    ],
)
def test_a_faulty_line_is_named(
    tmp_path: Path, line: str, message: str
) -> None:
    path = write(tmp_path / 'h', [round_record(1)], line + '\n{}\n')
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_history(path)
    assert f'{path}, line 2: ' in str(caught.value)


def test_a_faulty_epoch_is_named(tmp_path: Path) -> None:
    records = [epoch_record(1), epoch_record(2, weights=[1.0])]
    with pytest.raises(ValueError, match=r'line 2: weights .* shape \(3,\)'):
        read_weights(write(tmp_path / 'w', records))


# ~~ test_search_file:


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


def test_a_faulty_line_is_named_of_search_file(tmp_path):
    records = [round_record(1), round_record(2)]
    del records[1]['best']
    message = "history.jsonl, line 2: the field 'best' is missing"
    with pytest.raises(ValueError, match=re.escape(message)):
        read(tmp_path, records)
