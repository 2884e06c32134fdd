import pytest

from mmada.visualization.report import read_run
from mmada.visualization.report.panels.costs import count_costs, total_cost
from tests.test_visualization.test_report.runs import (
    CONFIG,
    make_run,
    step,
    write_log,
)


def costs_of(run):
    return [
        (c.part, c.segments, c.iterations, c.evaluations, c.trainings)
        for c in count_costs(read_run(run))
    ]


def test_rounds_and_training_in_units_of_a_training(tmp_path):
    run = make_run(tmp_path)
    write_log(run, [step(1), step(6)])
    # Four rounds of two replicas, ten iterations each; two epochs of three.
    assert costs_of(run) == [
        ('exploration, pseudo epoch', 1, 10, 1, pytest.approx(10 / 6)),
        ('exploration', 8, 80, 8, pytest.approx(80 / 6)),
        ('training', 0, 6, 0, 1.0),
    ]
    total = total_cost(count_costs(read_run(run)))
    assert (total.iterations, total.evaluations) == (96, 9)
    assert total.trainings == pytest.approx(16)


def test_replicas_that_rest_cost_nothing(tmp_path):
    run = make_run(tmp_path, rounds=2, plan=['paused', 'own'])
    assert costs_of(run)[1][1:4] == (2, 20, 2)


def test_rounds_of_an_epoch_need_no_iterations(tmp_path):
    config = CONFIG.replace('iters_per_round=10,', '')
    run = make_run(tmp_path, rounds=3, config=config)
    # An epoch is half a training.
    assert costs_of(run)[1] == ('exploration', 6, None, 6, 3.0)


def test_a_search_alone_is_measured_by_its_own_schedule(tmp_path):
    config = (
        'train_cfg = dict(controller=dict(), num_rounds=4, iters_per_round=5)'
    )
    run = make_run(tmp_path, config=config)
    assert costs_of(run)[1] == ('exploration', 8, 40, 8, 2.0)


@pytest.mark.parametrize(
    ('controller', 'trainings'),
    [
        # Eight segments, of which 4, 8 and 1 are a training.
        ("type='SlopeSearch'", 2.0),
        ("type='SlopeSearch', rounds_per_training=8", 1.0),
        ("type='RandomSearch'", 8.0),
        ("type='MySearch'", 2.0),
    ],
)
def test_the_controller_knows_how_long_a_training_is(
    tmp_path, controller, trainings
):
    config = (
        f'train_cfg = dict(controller=dict({controller}), num_rounds=4, '
        'iters_per_round=5)'
    )
    run = make_run(tmp_path, config=config)
    assert costs_of(run)[1] == ('exploration', 8, 40, 8, trainings)


def test_what_nothing_tells_is_not_known(tmp_path):
    run = make_run(tmp_path, config='')
    assert costs_of(run)[1] == ('exploration', 8, None, 8, None)
    total = total_cost(count_costs(read_run(run)))
    assert total.iterations is None and total.trainings is None
