"""The loop of a search, from a stock config's training."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, DefaultScope

from mmada.commands.adapt.rewards import Reward
from mmada.commands.adapt.search import (
    data_values,
    find_data,
    loop,
    num_gpus,
    rounds_of,
)
from mmada.commands.adapt.source import FIRST, Noted
from mmada.commands.adapt.stock import Stock
from mmada.commands.command_line import main
from tests.test_commands.test_adapt.tiny import adapt, write_images

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
    exploration = loop(rounds_of(config), {}, REWARD, gpus=1)['exploration']
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


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves the files of a folder; yields its address."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f'http://127.0.0.1:{server.server_port}/'
        finally:
            server.shutdown()


def test_the_list_of_data_on_a_server_is_a_file_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path)
    user = tmp_path / 'user'
    user.mkdir()
    monkeypatch.chdir(user)
    with served(tmp_path / 'data/coco') as root:
        Path('stock.py').write_text(
            "_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'\n"
            f'ann_file = "{root}annotations/instances_train2017.json"\n'
            'train_dataloader = dict(dataset=dict(ann_file=ann_file))\n'
        )
        cfg = adapt('stock.py', user / 'mine.py', '--method', 'slope')
        assert main(['split', 'mine.py', '--num-reward', '1']) == 0
        assert Path('instances_train2017_proxy_reward.txt').exists()
        with DefaultScope.overwrite_default_scope('mmdet'):
            loop = cfg.train_cfg.exploration
            assert len(DATASETS.build(loop.dataloader.dataset)) == 3


@pytest.mark.parametrize(
    ('dataset', 'ids_file'),
    [
        (
            dict(data_root='s3://bucket/coco/', ann_file='ann/train.json'),
            'train_proxy_reward.txt',
        ),
        (
            dict(
                data_root='data/coco/',
                ann_file='ann/train.json',
                backend_args=dict(backend='petrel'),
            ),
            'train_proxy_reward.txt',
        ),
        (
            dict(data_root='/a', data_prefix=dict(img_path='images/train')),
            '/a/images/train_proxy_reward.txt',
        ),
        (
            dict(data_root='data/', ann_file='lists/train.v1'),
            'data/lists/train.v1_proxy_reward.txt',
        ),
    ],
)
def test_the_place_of_the_list(
    dataset: dict[str, object], ids_file: str
) -> None:
    dataset['type'] = BaseDataset
    config = Config(
        dict(
            train_dataloader=dict(batch_size=2, dataset=dataset),
            val_dataloader=dict(dataset=dict(type=BaseDataset)),
        )
    )
    assert find_data(config).ids_file == ids_file


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
