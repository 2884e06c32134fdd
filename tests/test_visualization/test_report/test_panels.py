import json

import numpy as np
import pytest

from mmada.surrogates import save_curve
from mmada.visualization.report import read_run
from mmada.visualization.report.advice import Advice
from mmada.visualization.report.panels import (
    comparison_panel,
    configuration_panel,
    costs_panel,
    losses_panel,
    metrics_panel,
    rewards_panel,
    sanity_panel,
    summary_panel,
    weights_panel,
)
from tests.test_visualization.records import write
from tests.test_visualization.test_report.runs import (
    asl_record,
    make_run,
    resampled,
    step,
    write_log,
)

METRIC = 'coco_panoptic/PQ'
ALL = (
    weights_panel,
    losses_panel,
    metrics_panel,
    rewards_panel,
    sanity_panel,
    costs_panel,
    configuration_panel,
)


@pytest.fixture
def run(tmp_path):
    return read_run(make_run(tmp_path, rounds=3, epochs=2))


def lines(chart):
    """Return the values of a chart's lines by name."""
    return {
        series.name: list(series.y)
        for series in chart.series
        if series.kind != 'dots'
    }


def dots(chart, name):
    (series,) = (s for s in chart.series if (s.name, s.kind) == (name, 'dots'))
    return list(series.y)


def test_weights_of_replicas_winner_and_training(run):
    search, training = weights_panel(run).charts
    assert lines(search) == {
        's0.cls': [0.5] * 3,
        's1.cls': [0.25] * 3,
        'seg': [4, 8, 12],
    }
    assert dots(search, 'seg') == [3, 4, 6, 8, 9, 12]
    assert lines(training)['s1.cls'] == [0.5, 1]
    assert search.log and search.level == 1


def test_replicas_that_rest_have_no_dot(tmp_path):
    run = read_run(make_run(tmp_path, rounds=1, plan=['paused', 'own']))
    (chart,) = weights_panel(run).charts
    assert dots(chart, 'seg') == [4]


def test_rounds_without_an_update_are_shaded_unless_all_are(tmp_path):
    run = make_run(tmp_path, rounds=2)
    path = run / 'exploration' / 'history.jsonl'
    text = path.read_text()
    path.write_text(text.replace('"updated": true', '"updated": false', 1))
    assert weights_panel(read_run(run)).charts[0].shaded == [1]
    path.write_text(text.replace('"updated": true', '"updated": false'))
    assert not weights_panel(read_run(run)).charts[0].shaded


def test_losses_before_and_after_weighting(run):
    raw, weighted = losses_panel(run).charts
    assert lines(raw)['seg'] == [0.3] * 3
    assert lines(weighted)['seg'] == pytest.approx([1.2, 2.4, 3.6])


def test_losses_of_a_plain_training_come_from_its_log(tmp_path):
    write_log(tmp_path, [step(1, loss_seg=2.0), step(4, loss_seg=1.0)])
    (chart,) = losses_panel(read_run(tmp_path)).charts
    assert lines(chart) == {'loss_seg': [2, 1]}


def test_metric_of_replicas_winner_and_things(run):
    (chart,) = metrics_panel(run).charts
    assert dots(chart, 'replica') == [41, 51, 42, 52, 43, 53]
    assert lines(chart) == {
        'winner': [51, 52, 53],
        'winner, things': [2, 2, 2],
    }


def test_metrics_of_the_validation(tmp_path):
    found = [{'a/PQ': 9.0, 'a/SQ': 5.0, 'time': 0.1, 'step': 3}]
    write_log(tmp_path, found)
    (chart,) = metrics_panel(read_run(tmp_path)).charts
    assert lines(chart) == {'PQ': [9]}


def test_both_parts_of_the_reward(run):
    parts, used = rewards_panel(run).charts
    assert dots(parts, 'r_local') == pytest.approx([-1, 1] * 3)
    # Over 30, in units of the spread 5.
    assert dots(parts, 'r_imp') == pytest.approx(
        [2.2, 4.2, 2.4, 4.4, 2.6, 4.6]
    )
    assert lines(parts)['mean r_imp'] == pytest.approx([3.2, 3.4, 3.6])
    assert dots(used, 'replica') == [-1, 1] * 3


def test_spread_against_noise_and_the_steps(tmp_path):
    run = read_run(make_run(tmp_path, rounds=2, resamples=resampled(1)))
    spread, steps = sanity_panel(run).charts
    found = lines(spread)
    root = np.sqrt(2)
    assert found['spread between replicas'] == pytest.approx([10 / root] * 2)
    assert found['noise of the metric'] == pytest.approx([8 / root] * 2)
    assert found['exceeded by chance in 5 %'] == pytest.approx([8 / root] * 2)
    assert lines(steps) == {'step of the policy (KL)': [0.1, 0.1]}


def test_share_of_invalid_replicas(tmp_path):
    metrics = [{}, {'coco_panoptic/PQ': 1.0}]
    run = read_run(make_run(tmp_path, rounds=1, metrics=metrics))
    assert lines(sanity_panel(run).charts[-1]) == {'without a metric': [0.5]}


def test_a_search_of_parameters(tmp_path):
    write(tmp_path / 'search' / 'history.jsonl', [asl_record(1)])
    run = read_run(tmp_path)
    panel = weights_panel(run)
    assert panel.title == 'Actions'
    assert not panel.charts[0].log
    assert losses_panel(run) is None
    assert rewards_panel(run) and metrics_panel(run) and sanity_panel(run)


def test_a_round_that_nobody_survived_with_a_metric(tmp_path):
    run = read_run(make_run(tmp_path, rounds=2, metrics=[{}, {}]))
    assert metrics_panel(run) is None and rewards_panel(run) is None
    assert sanity_panel(run) and summary_panel(run)


def test_nothing_to_show_is_left_out(tmp_path):
    run = read_run(tmp_path)
    assert [panel(run) for panel in ALL] == [None] * len(ALL)
    (note,) = summary_panel(run).advice
    assert note.text.startswith('Nothing was recorded yet')


def test_facts_of_the_summary(run):
    (table,) = summary_panel(run).tables
    facts = dict(table.rows)
    assert facts['exploration'] == '3 of 4 rounds of 2 replicas'
    assert facts['controller'] == 'AdaSegment, stable'
    assert facts['PQ of the winners'].startswith('51 in the first round, 53')


def test_small_metrics_have_digits_enough_to_differ(tmp_path):
    run = read_run(
        make_run(tmp_path, rounds=1, metrics=[{METRIC: 0.3816}] * 2)
    )
    (table,) = summary_panel(run).tables
    shown = dict(table.rows)['PQ of the winners']
    assert shown.startswith('0.3816 in the first round')
    row = comparison_panel([run, run]).tables[0].rows[0]
    assert row[2] == 'PQ 0.3816'


def test_a_small_metric_of_a_training_has_digits_enough(tmp_path):
    metric = {'coco/bbox_mAP': 0.3816, 'time': 0.1, 'step': 3}
    write_log(tmp_path, [metric])
    run = read_run(tmp_path)
    row = comparison_panel([run, run]).tables[0].rows[0]
    assert row[4] == 'bbox_mAP 0.3816'


def test_costs_as_a_table(run):
    (table,) = costs_panel(run).tables
    assert table.rows[1] == ['exploration', '6', '60', '6', '-']
    assert table.rows[-1] == ['all so far', '7', '70', '7', '-']


def test_runs_side_by_side(tmp_path, run):
    other = make_run(tmp_path / 'other', rounds=2, resamples=resampled(1, 9))
    panel = comparison_panel([run, read_run(other)])
    metric, weights = panel.charts
    assert lines(metric) == {run.name: [51, 52, 53], 'other': [51, 52]}
    assert dots(weights, run.name) == [1, 1, 2]  # of the training
    assert dots(weights, 'other') == [0.5, 0.25, 8]
    assert panel.tables[0].rows[1][:4] == ['other', '2', 'PQ 52', '2 of 2']
    assert comparison_panel([run]) is None


def test_the_summary_begins_with_the_result_and_the_weights(run):
    result = Advice('good', 'Ours minus baseline is +1.00 PQ.')
    panel = summary_panel(run, [result])
    assert panel.advice[0] is result
    name, text = panel.tables[0].rows[0]
    assert name == 'weights, end of the training'
    assert text.startswith('s0.cls ') and ', s1.cls 1, ' in text


def test_a_search_alone_has_the_weights_of_its_winner(tmp_path):
    run = read_run(make_run(tmp_path, rounds=3))
    assert summary_panel(run).tables[0].rows[0] == (
        'weights, last winner',
        's0.cls 0.5, s1.cls 0.25, seg 12',
    )


def test_a_search_of_curves_shows_what_it_found(tmp_path):
    path = save_curve(tmp_path / 'curve.json', 'mAcc', [0.1, 0.25] * 3)
    assert summary_panel(read_run(tmp_path)).tables[0].rows[0] == (
        'curves found for mAcc',
        f'0.1, 0.25, 0.1, 0.25, 0.1, 0.25 ({path})',
    )


def test_the_metric_of_each_task_is_in_summary_and_curve(tmp_path):
    found = {
        'coco/bbox_mAP': 0.3512,
        'coco/bbox_mAP_50': 0.5,
        'coco/bbox_mAP_l': -1.0,
        'coco/segm_mAP': 0.31,
        'coco/segm_mAP_s': 0.1,
        'mIoU': 71.234,
        'coco/mAcc': 80.0,
    }
    found = {k if '/' in k else f'x/{k}': v for k, v in found.items()}
    write_log(tmp_path, [dict(found, time=0.1, step=3)])
    run = read_run(tmp_path)
    panel = metrics_panel(run)
    assert lines(panel.charts[0]) == {
        'bbox_mAP': [0.3512],
        'segm_mAP': [0.31],
        'mIoU': [71.234],
    }
    assert panel.caption.startswith('What the training reached')
    rows = dict(summary_panel(run).tables[0].rows)
    assert rows['validation, bbox_mAP'] == '0.3512'
    assert rows['validation, mIoU'] == '71.23'
    assert 'validation, bbox_mAP_50' not in rows


def test_captions_speak_of_what_is_there(tmp_path, run):
    assert 'Things are countable' in metrics_panel(run).caption
    assert 'Dots are what the replicas' in weights_panel(run).caption
    make_run(tmp_path / 'other', rounds=0, epochs=2)
    training = weights_panel(read_run(tmp_path / 'other'))
    assert training.caption.startswith('What the training used')


def test_what_a_run_learned_nothing_from_is_in_its_summary(tmp_path):
    path = make_run(tmp_path, rounds=3)
    status = dict(phase='finished', nothing_learned='all replicas scored 0')
    (path / 'exploration/status.json').write_text(json.dumps(status))
    text = summary_panel(read_run(path)).advice[0].text
    assert text == 'The search learned nothing: all replicas scored 0.'
