"""The text that a person sees, character by character."""

from __future__ import annotations

import math

import pytest

from mmada.engine.monitor.log_text import format_progress, format_round

METRICS = [
    {
        'coco_panoptic/PQ': 45.04,
        'coco_panoptic/SQ': 70.0,
        'coco_panoptic/PQ_th': 19.0,
        'coco_panoptic/PQ_st': 87.12,
    },
    {},
    {
        'coco_panoptic/PQ': 55.06,
        'coco_panoptic/SQ': 70.0,
        'coco_panoptic/PQ_th': math.nan,
        'coco_panoptic/PQ_st': 8.0,
    },
]
WEIGHTS = [[1.0, 22.84], [0.0349, 0.5], [135.4, 1e-5]]
REWARDS = [-0.314, -1.0, 1.2]


def table(**changes: object) -> list[str]:
    options: dict = dict(
        round=3,
        num_rounds=12,
        objectives=['loss_cls', 'seg'],
        weights=WEIGHTS,
        rewards=REWARDS,
        metrics=METRICS,
        best=2,
    )
    return format_round(**{**options, **changes}).splitlines()


def test_weights_beside_the_metrics() -> None:
    assert table() == [
        'round 3/12, winner: replica 3',
        'replica  reward        PQ  things  stuff  loss_cls       seg',
        '      1   -0.31      45.0    19.0   87.1      1.00      22.8',
        '      2   -1.00  diverged       -      -    0.0349     0.500',
        '     *3    1.20      55.1       -    8.0       135  1.00e-05',
    ]


def test_a_replica_that_rests_has_no_reward_and_did_not_diverge() -> None:
    line = '      2       -  rests       -      -    0.0349     0.500'
    assert table(resting=[1])[3] == line


def test_weights_below_where_the_width_asks_for_it() -> None:
    assert table(width=59) == [
        'round 3/12, winner: replica 3',
        'replica  reward        PQ  things  stuff',
        '      1   -0.31      45.0    19.0   87.1',
        '      2   -1.00  diverged       -      -',
        '     *3    1.20      55.1       -    8.0',
        'weights      1       2        *3',
        'loss_cls  1.00  0.0349       135',
        'seg       22.8   0.500  1.00e-05',
    ]
    assert len(table(width=60)) == 5
    actions = table(width=59, heading='actions')
    assert actions[5] == 'actions      1       2        *3'


def test_many_replicas_are_wrapped() -> None:
    lines = table(width=30)
    assert lines[5:] == [
        'weights      1       2',
        'loss_cls  1.00  0.0349',
        'seg       22.8   0.500',
        'weights         *3',
        'loss_cls       135',
        'seg       1.00e-05',
    ]


def test_120_columns_hold_ten_objectives_and_sixteen_replicas() -> None:
    names = [f's{i}.loss_{kind}' for i in range(5) for kind in ('cls', 'bbox')]
    lines = table(
        objectives=names,
        weights=[[10.0 ** (-k)] * 10 for k in range(16)],
        rewards=[0.0] * 16,
        metrics=METRICS[:1] * 16,
    )
    assert max(map(len, lines)) <= 120
    assert sum(line.startswith('s4.loss_bbox') for line in lines) == 2


def test_other_metrics_are_shown_by_their_own_names() -> None:
    lines = table(
        metrics=[{'a/mIoU': 1.0, 'a/aAcc': 2.0, 'a/x': 3.0, 'a/y': 4.0}] * 3
    )
    assert lines[1].split()[2:5] == ['mIoU', 'aAcc', 'x']


def test_a_weighted_sum_and_its_parts_come_first() -> None:
    found = {'weighted_sum': 20.5, 'coco/bbox_mAP': 0.2, 'coco_panoptic/PQ': 4}
    lines = table(metrics=[{**found, 'coco_panoptic/PQ_th': 9.0}] * 3)
    assert lines[1].split()[2:5] == ['weighted_sum', 'bbox_mAP', 'PQ']


def test_what_is_below_one_has_three_digits() -> None:
    lines = table(metrics=[{'coco/bbox_mAP': 0.3751, 'a': -0.1, 'b': 0.0}] * 3)
    assert lines[2].split()[2:5] == ['0.375', '-0.100', '0.0']


def test_unequal_numbers_of_replicas_are_refused() -> None:
    with pytest.raises(ValueError):
        table(rewards=[1.0])


@pytest.mark.parametrize(
    ('metric', 'seconds', 'end'),
    [
        (55.13, 192.4, 'best of round: PQ 55.1 | 0:03:12 left'),
        (0.0, 36000.0 + 59.6, 'best of round: PQ 0.0 | 10:01:00 left'),
        (None, None, 'best of round: PQ - | -:--:-- left'),
        (math.nan, math.nan, 'best of round: PQ - | -:--:-- left'),
        (1.0, -3.0, 'best of round: PQ 1.0 | 0:00:00 left'),
    ],
)
def test_progress(
    metric: float | None, seconds: float | None, end: str
) -> None:
    line = format_progress(3, 12, 2, 4, 20, 40, metric, seconds)
    assert line == f'round 3/12 | replica 2/4 | iter 20/40 | {end}'
