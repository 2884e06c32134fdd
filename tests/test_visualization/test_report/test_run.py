"""Runs that are halfway, over, failed or damaged."""

from __future__ import annotations

import json
import math
import os
import re

import pytest

from mmada.visualization.report import read_run
from mmada.visualization.report.panels.summary import state
from tests.test_visualization.records import epoch_record, write
from tests.test_visualization.test_report.runs import (
    CONFIG,
    make_run,
    step,
    write_log,
)


def test_an_exploration_halfway(tmp_path):
    run = read_run(make_run(tmp_path, rounds=2, tail='{"rou'))
    assert [entry.number for entry in run.searches[0].rounds] == [1, 2]
    assert run.searches[0].config['num_rounds'] == 4
    assert not run.search_over and not run.finished
    assert state(run).startswith('unfinished, last written 20')


def test_a_search_whose_directory_is_below_another(tmp_path):
    options = "num_rounds=4, directory='searches/one'"
    make_run(tmp_path, config=CONFIG.replace('num_rounds=4', options))
    (tmp_path / 'searches').mkdir()
    (tmp_path / 'exploration').rename(tmp_path / 'searches/one')
    (tmp_path / 'searches/one/run.lock').touch()
    (search,) = read_run(tmp_path).searches
    assert (search.title, search.config['num_rounds']) == ('one', 4)


def test_a_training_is_over_with_its_last_checkpoint(tmp_path):
    run = make_run(tmp_path, epochs=2)
    assert read_run(run).search_over
    assert not read_run(run).finished
    (run / 'epoch_2.pth').touch()
    assert read_run(run).finished


def test_a_training_without_checkpoints_is_over_when_it_went_quiet(tmp_path):
    run = make_run(tmp_path, epochs=2)
    for path in run.rglob('*'):
        os.utime(path, (0, 0))
    assert read_run(run).finished


def test_a_training_of_iterations_is_over_with_the_last_one(tmp_path):
    config = "train_cfg = dict(type='IterBasedTrainLoop', max_iters=4)"
    run = make_run(tmp_path, rounds=0, config=config)
    write_log(run, [step(3)])
    assert not read_run(run).finished
    (run / 'iter_4.pth').touch()
    assert read_run(run).finished


def test_what_the_run_says_of_itself_counts_first(tmp_path):
    run = make_run(tmp_path, rounds=2)
    status = dict(phase='failed', error='out of disk')
    (run / 'exploration' / 'status.json').write_text(json.dumps(status))
    assert read_run(run).finished
    assert re.fullmatch(r'failed at .*: out of disk', state(read_run(run)))
    (run / 'exploration' / 'status.json').write_text('{"pha')
    assert not read_run(run).finished


def test_an_empty_directory_is_a_run_that_has_not_begun(tmp_path):
    run = read_run(tmp_path)
    assert not run.searches and run.epochs is None and not run.log.raw
    assert state(run) == 'nothing written yet'


def test_what_the_report_wrote_is_not_what_the_run_wrote(tmp_path):
    run = make_run(tmp_path)
    before = read_run(run).last_written
    (run / 'report').mkdir()
    later = run / 'report' / 'page.html'
    later.touch()
    os.utime(later, (before + 99, before + 99))
    assert read_run(run).last_written == before


def test_a_damaged_config_leaves_its_text(tmp_path):
    run = read_run(make_run(tmp_path, config='train_cfg = dict('))
    assert run.config.text == 'train_cfg = dict('
    assert run.config.content == {}
    assert run.searches[0].metric == 'coco_panoptic/PQ'


def test_a_single_exploration_loop_has_no_training(tmp_path):
    config = "train_cfg = dict(controller=dict(type='X'), num_rounds=2)"
    run = read_run(make_run(tmp_path, rounds=2, config=config))
    assert run.config.training == {}
    assert run.searches[0].config['num_rounds'] == 2
    assert run.finished


def test_epochs_whose_method_does_not_measure(tmp_path):
    losses = [0.1, None, 0.3]
    records = [epoch_record(1), epoch_record(2, losses=losses)]
    write(tmp_path / 'weights.jsonl', records, '{"epo')
    epochs = read_run(tmp_path).epochs
    assert epochs.numbers == [1, 2]
    assert epochs.weights.tolist() == [[1, 0.5, 2], [1, 1, 2]]
    found = epochs.losses.tolist()
    assert all(map(math.isnan, [*found[0], found[1][1]]))
    assert found[1][::2] == [0.1, 0.3]


def test_what_is_logged_of_a_training(tmp_path):
    records = [step(i, **{'s0.loss_cls': float(i)}) for i in (1, 3, 4, 5)]
    records[3]['weighted.s0.loss_cls'] = 8.0
    again = step(5, **{'s0.loss_cls': 7.0})
    validation = {'a/PQ': 30.0, 'time': 0.1, 'step': 2}
    write_log(tmp_path, [*records, again, validation])
    log = read_run(tmp_path).log
    assert log.raw == {'s0.loss_cls': {1: 2.0, 2: 5.5}}
    assert log.weighted == {}
    assert log.metrics == {'a/PQ': {2: 30.0}}
    assert (log.epoch, log.iterations, log.epoch_length) == (2, 5, 3)
    (tmp_path / 'epoch_2.pth').touch()
    assert read_run(tmp_path).log.iterations == 6


def test_what_was_not_measured_is_in_no_curve(tmp_path):
    name = 's0.loss_bbox'
    records = [
        step(1, **{name: 2.0, f'weighted/{name}': 0.0}),
        step(2, **{name: 0.0}),
        step(3, **{name: math.inf}),
        step(4, **{name: math.nan}),
        {'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_l': -1.0, 'time': 1, 'step': 1},
        {'coco/bbox_mAP': math.nan, 'time': 1, 'step': 2},
    ]
    write_log(tmp_path, records)
    log = read_run(tmp_path).log
    assert log.raw[name] == {1: 2.0}
    assert log.weighted == {name: {1: 0.0}}
    assert log.metrics == {'coco/bbox_mAP': {1: 0.5}}


def test_no_directory(tmp_path):
    with pytest.raises(ValueError, match='directory of a run. Found .*absent'):
        read_run(tmp_path / 'absent')
