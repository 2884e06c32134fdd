"""The loop of a search, from a stock config's training."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from mmada.commands.adapt.rewards import Reward
from mmada.commands.adapt.search import loop
from mmada.commands.adapt.source import Noted
from mmada.commands.adapt.stock import Stock

REWARD = Reward(('coco/bbox_mAP',), lambda train: {})


@pytest.mark.parametrize(
    ('counts', 'expected'),
    [
        (1, 83),
        (2, Noted(84, 'a multiple of accumulative_counts, 2')),
        (83, Noted(83, 'a multiple of accumulative_counts, 83')),
    ],
)
def test_rounds_of_iterations_hold_whole_steps(
    counts: int, expected: int | Noted
) -> None:
    config = Config(
        dict(
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=1000),
            optim_wrapper=dict(accumulative_counts=counts),
        )
    )
    stock = Stock('base.py', config, 'mmdet')
    exploration = loop(stock, {}, REWARD, gpus=1)['exploration']
    assert exploration['num_rounds'] == 12
    assert exploration['iters_per_round'] == expected
