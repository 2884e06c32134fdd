"""What mmdet's analyze_logs.py makes of the log of a weighted training."""

from __future__ import annotations

import json
import math
import runpy
from pathlib import Path

import mmdet
import pytest

from tests.support import toy

SCRIPT = (
    Path(mmdet.__file__).parent / '.mim/tools/analysis_tools/analyze_logs.py'
)

pytestmark = pytest.mark.skipif(
    not SCRIPT.exists(), reason='mmdet is installed without its tools'
)


@pytest.fixture(scope='module')
def log(tmp_path_factory):
    """A search and a training whose objectives have the names of losses."""
    work_dir = tmp_path_factory.mktemp('run')
    toy.runner(
        work_dir,
        model=dict(toy.MODEL, objectives='auto'),
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(num_rounds=1),
            training=dict(type='EpochBasedTrainLoop', max_epochs=2),
        ),
        val_dataloader=toy.dataloader(offset=1, shuffle=False),
        val_evaluator=dict(type='ToyMetric'),
        val_cfg=dict(type='ValLoop'),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        custom_hooks=[dict(type='PolicyWeightingHook')],
    ).train()
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    return path


def test_each_curve_holds_its_own_numbers(log):
    (found,) = runpy.run_path(str(SCRIPT))['load_json_logs']([str(log)])
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    rows = [row for row in rows if 'loss_a' in row]
    assert len(rows) == 6
    for key in ('loss', 'loss_a', 'weighted.loss_a', 'lr', 'time'):
        curve = [v for epoch in found.values() for v in epoch.get(key, [])]
        assert curve == [row[key] for row in rows]
        assert all(map(math.isfinite, curve))
    assert [len(epoch['score']) for epoch in found.values()] == [1, 1]
    # Of the winner of the round, and of both epochs of the training.
    assert sum(len(each['weights.loss_a']) for each in found.values()) == 3


def test_no_line_of_the_training_has_a_slash(log):
    for line in log.read_text().splitlines():
        names = json.loads(line)
        if 'loss' in names:
            assert not [name for name in names if '/' in name]
