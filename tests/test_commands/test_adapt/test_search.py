"""The loop of a search, from a stock config's training."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from mmengine.dataset import BaseDataset

from mmada.commands.adapt.rewards import Reward
from mmada.commands.adapt.search import data_values, find_data, loop, num_gpus
from mmada.commands.adapt.source import FIRST, Noted
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


def test_rewards_are_of_the_training_data_as_the_validation_reads_them() -> (
    None
):
    train = dict(
        type=BaseDataset,
        data_root='train',
        indices=9,
        filter_cfg=dict(min_size=32),
        pipeline=[dict(type='Crop')],
    )
    val = dict(
        type=BaseDataset,
        data_root='val',
        img_suffix='.png',
        reduce_zero_label=True,
        indices=5,
        test_mode=True,
        pipeline=[dict(type='Resize')],
    )
    config = Config(
        dict(
            train_dataloader=dict(batch_size=2, dataset=train),
            val_dataloader=dict(dataset=val),
        )
    )
    stock = Stock('base.py', config, 'mmdet')
    values = data_values(stock, find_data(config), REWARD, gpus=1)
    assert values['reward_dataloader']['dataset']['dataset'] == {
        FIRST: 'data',
        'pipeline': '_base_.val_dataloader.dataset.pipeline',
        'test_mode': '_base_.val_dataloader.dataset.test_mode',
        'filter_cfg': None,
        'indices': None,
    }


def test_the_first_of_joined_data_sets_is_split() -> None:
    first = dict(type=BaseDataset, ann_file='a/2007.txt')
    joined = dict(type='ConcatDataset', datasets=[first, dict(first)])
    train = dict(type='RepeatDataset', dataset=joined)
    config = Config(
        dict(
            train_dataloader=dict(batch_size=2, dataset=train),
            val_dataloader=dict(dataset=first),
        )
    )
    data = find_data(config)
    values = data_values(Stock('b.py', config, 'mmdet'), data, REWARD, gpus=1)
    outer = '_base_.train_dataloader.dataset'
    assert values['data'] == f'{outer}.dataset.datasets[0]'
    assert values['held_out']['ids_file'] == 'a/2007_proxy_reward.txt'
    assert values['explore_dataloader']['dataset'] == {
        FIRST: outer,
        'dataset': {
            FIRST: f'{outer}.dataset',
            'datasets': [
                {FIRST: 'held_out', 'keep': 'others', 'dataset': 'data'},
                f'*{outer}.dataset.datasets[1:]',
            ],
        },
    }


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('mmseg::fcn/fcn_r50_4xb2-40k_voc.py', 4),
        ('runs_16xb2-old/fcn_4xb2-40k.py', 4),
        ('runs_16xb2-old/mine.py', 8),  # the default
    ],
)
def test_the_name_of_the_file_says_how_many_gpus(
    name: str, expected: int
) -> None:
    config = Config(dict(train_dataloader=dict(batch_size=2)))
    assert num_gpus(name, config, None) == expected
