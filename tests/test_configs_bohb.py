"""The config of the search by BOHB, built with no data present."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import LOOPS, TASK_UTILS

from mmada.controllers import BohbSearch

CONFIGS = Path(__file__).resolve().parents[1] / 'configs/baselines'


def test_a_candidate_that_is_not_stopped_trains_as_long_as_a_baseline() -> (
    None
):
    config = Config.fromfile(CONFIGS / 'cascade_panoptic_tiny_scenes_bohb.py')
    exploration = config.train_cfg.exploration
    assert LOOPS.get(exploration.type) and LOOPS.get(config.train_cfg.type)
    search = TASK_UTILS.build(
        exploration.controller,
        default_args=dict(
            num_objectives=4,
            num_rounds=exploration.num_rounds,
        ),
    )
    assert isinstance(search, BohbSearch)
    rounds = BohbSearch.training_rounds(
        exploration.num_rounds, exploration.controller
    )
    assert rounds == config.train_cfg.training.max_epochs == 6
