"""The configs of Auto Seg-Loss, built on a few images of each data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn

from mmada.engine.loops import ParallelExplorationLoop
from mmada.engine.replicas.course import Course
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.reward import RewardEvaluator
from mmada.models import AutoSegLoss
from mmada.surrogates import NAMED_POINTS, SURROGATES
from tests.support.mmseg_scope import mmseg_scope

__all__ = ['mmseg_scope']

ASL = Path(__file__).resolve().parents[1] / 'configs' / 'asl'
STEMS = {
    ('voc', 'search'): 'deeplabv3plus_r50-d8_asl-search-{}_1xb32-1k_'
    'voc12aug-128x128.py',
    ('voc', 'retrain'): 'deeplabv3plus_r101-d8_asl-{}_4xb8-10k_'
    'voc12aug-512x512.py',
    ('cityscapes', 'search'): 'deeplabv3plus_r50-d8_asl-search-{}_1xb32-1k_'
    'cityscapes-128x128.py',
    ('cityscapes', 'retrain'): 'deeplabv3plus_r101-d8_asl-{}_4xb8-10k_'
    'cityscapes-512x1024.py',
}
METRICS = sorted(SURROGATES)

pytestmark = pytest.mark.usefixtures('mmseg_scope')


def read(data: str, kind: str, metric: str) -> Config:
    return Config.fromfile(ASL / data / STEMS[data, kind].format(metric))


def write_image(path: Path, size: tuple[int, int], classes: int) -> None:
    """Writes noise, or labels if there are classes, with some to ignore."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    if not classes:
        cv2.imwrite(str(path), rng.integers(0, 256, (*size, 3), np.uint8))
        return
    labels = rng.integers(0, classes, (4, 4), np.uint8)
    labels = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST)
    labels[:5] = 255
    cv2.imwrite(str(path), labels)


def write_voc(root: Path) -> None:
    splits = dict(train_search='ab', train_reward='cd', train='abcd')
    splits |= dict(aug='ef', val='gh')
    lists = root / 'ImageSets/Segmentation'
    lists.mkdir(parents=True)
    for split, names in splits.items():
        (lists / f'{split}.txt').write_text('\n'.join(names) + '\n')
    for index, name in enumerate('abcdefgh'):
        size = (150 + 10 * index, 170)
        write_image(root / f'JPEGImages/{name}.jpg', size, 0)
        folder = 'SegmentationClass' + ('Aug' if name in 'ef' else '')
        write_image(root / folder / f'{name}.png', size, 21)


def write_cityscapes(root: Path) -> None:
    for split, stem in (
        ('train', 'bonn/bonn_0'),
        ('train', 'ulm/ulm_0'),
        ('val', 'kiel/kiel_0'),
    ):
        image = root / f'leftImg8bit/{split}/{stem}_leftImg8bit.png'
        labels = root / f'gtFine/{split}/{stem}_gtFine_labelTrainIds.png'
        write_image(image, (256, 512), 0)
        write_image(labels, (256, 512), 19)
    (root / 'train_search.txt').write_text('bonn/bonn_0\n')
    (root / 'train_reward.txt').write_text('ulm/ulm_0\n')


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few images where the configs look for data."""
    root = tmp_path_factory.mktemp('root')
    write_voc(root / 'data/VOCdevkit/VOC2012')
    write_cityscapes(root / 'data/cityscapes')
    return root


def without_workers(config: Any) -> None:
    """Loads data in this process, wherever a config has data loaders."""
    if isinstance(config, dict):
        if 'num_workers' in config:
            config.update(num_workers=0, persistent_workers=False)
        for value in config.values():
            without_workers(value)


@pytest.fixture
def build(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Returns a function that makes a Runner of a config."""
    monkeypatch.chdir(data)

    def make(config: Config) -> Runner:
        without_workers(config._cfg_dict)
        config.model.backbone.init_cfg = None  # downloads
        config.work_dir = str(tmp_path)
        config.log_level = 'ERROR'
        return Runner.from_cfg(config)

    yield make


def learning_rates(runner: Runner) -> dict[str, set[float]]:
    """Returns the learning rates of the backbone and of the heads."""
    optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    names = {id(p): name for name, p in runner.model.named_parameters()}
    rates: dict[str, set[float]] = {}
    for group in optim_wrapper.optimizer.param_groups:
        for parameter in group['params']:
            part = names[id(parameter)].split('.')[0]
            rates.setdefault(part, set()).add(round(group['lr'], 9))
    runner.optim_wrapper = optim_wrapper
    return rates


EXPECTED_RATES = dict(backbone={0.02}, decode_head={0.2}, auxiliary_head={0.2})


def norms_of(config: Config) -> set[str]:
    parts = ('backbone', 'decode_head', 'auxiliary_head')
    return {config.model[part].norm_cfg.type for part in parts}


def losses_of(model: nn.Module) -> list[AutoSegLoss]:
    return [m for m in model.modules() if isinstance(m, AutoSegLoss)]


@pytest.mark.parametrize(
    ('name', 'classes', 'reward_size'),
    [('voc', 21, (128, 128)), ('cityscapes', 19, (128, 256))],
)
def test_a_search_is_built(
    build: Any, name: str, classes: int, reward_size: tuple[int, int]
) -> None:
    config = read(name, 'search', 'miou')
    runner = build(config)
    model, loop = runner.model, runner.train_loop
    assert isinstance(loop, ParallelExplorationLoop)
    assert (loop.num_rounds, loop.max_iters) == (12, 1000)
    assert model.num_classes == model.auxiliary_head.num_classes == classes
    assert [loss.loss_weight for loss in losses_of(model)] == [1.0, 0.4]
    assert norms_of(config) == {'BN'}

    assert learning_rates(runner) == EXPECTED_RATES
    (poly,) = runner.build_param_scheduler(config.param_scheduler)
    assert (poly.total_iters, poly.power, poly.eta_min) == (999, 0.9, 1e-4)

    batch = next(iter(loop.loader.segment(0)))
    inputs = model.data_preprocessor(batch, True)['inputs']
    assert inputs.shape == (32, 3, 128, 128)

    course = Course(runner, loop.loader)
    live = LiveReplica(model, runner.optim_wrapper, [poly], course.attributes)
    controller = loop.build_controller(live, course)
    assert len(loop.target.names) == controller.action_size == 12
    assert controller.num_replicas == 32

    reward = RewardEvaluator(*loop._reward)
    for sample in reward.dataloader.dataset:
        sample = sample['data_samples']
        assert sample.gt_sem_seg.shape == reward_size
        assert sample.ori_shape == sample.img_shape == reward_size
    reward.check(model)
    assert reward.metric.key == 'semantic/mIoU'


@pytest.mark.parametrize(
    ('name', 'classes', 'crop', 'truth'),
    [
        ('voc', 21, (512, 512), (210, 170)),
        ('cityscapes', 19, (512, 1024), (256, 512)),
    ],
)
def test_a_retraining_is_built(
    build: Any,
    name: str,
    classes: int,
    crop: tuple[int, int],
    truth: tuple[int, int],
) -> None:
    config = read(name, 'retrain', 'miou')
    config.train_dataloader.batch_size = 2
    runner = build(config)
    model, loop = runner.model, runner.train_loop
    assert loop.max_iters == 10000
    assert len(model.backbone.layer3) == 23  # ResNet-101
    assert model.num_classes == model.auxiliary_head.num_classes == classes
    points = torch.tensor(NAMED_POINTS['voc_miou'].points).double()
    losses = losses_of(model)
    for loss in losses:
        torch.testing.assert_close(
            loss.shape.flatten(), points, rtol=1e-6, atol=1e-6
        )
    assert [loss.loss_weight for loss in losses] == [1.0, 0.4]
    assert norms_of(config) == {'SyncBN'}
    assert learning_rates(runner) == EXPECTED_RATES

    batch = next(iter(loop.dataloader))
    inputs = model.data_preprocessor(batch, True)['inputs']
    assert inputs.shape == (2, 3, *crop)
    sample = runner.val_loop.dataloader.dataset[0]['data_samples']
    assert sample.gt_sem_seg.shape == sample.ori_shape == truth


@pytest.mark.parametrize(('name', 'kind'), STEMS)
@pytest.mark.parametrize('metric', METRICS)
def test_metrics_differ_in_nothing_but_loss_and_reward(
    name: str, kind: str, metric: str
) -> None:
    config = read(name, kind, metric.lower())
    first = read(name, kind, 'miou')
    for head in ('decode_head', 'auxiliary_head'):
        loss = MODELS.build(config.model[head].loss_decode)
        assert loss.metric == metric
        edges = metric == 'BIoU' and name == 'voc'
        assert loss.options.get('drop_bg', False) == edges
        config.model[head].pop('loss_decode')
        first.model[head].pop('loss_decode')
    if kind == 'search':
        assert config.train_cfg.pop('reward_metric') == f'semantic/{metric}'
        first.train_cfg.pop('reward_metric')
    config.pop('loss')
    first.pop('loss')
    assert config.to_dict() == first.to_dict()


def test_every_config_is_of_a_metric() -> None:
    found = {p for p in ASL.glob('*/deeplab*.py')}
    expected = {
        ASL / name / stem.format(metric.lower())
        for (name, _), stem in STEMS.items()
        for metric in METRICS
    }
    assert found == expected


@pytest.mark.parametrize('name', ['voc', 'cityscapes'])
def test_a_search_never_sees_the_validation_images(name: str) -> None:
    config = read(name, 'search', 'miou')
    loop = config.train_cfg
    assert 'train_reward.txt' in str(loop.reward_dataloader)
    assert 'train_reward.txt' not in str(config.train_dataloader)
    assert 'train_search.txt' in str(config.train_dataloader)
    for loader in (loop.reward_dataloader, config.train_dataloader):
        assert 'val.txt' not in str(loader)
        assert '/val' not in str(loader)
    assert loop.reward_evaluator.classes_of == 'ground_truth'


def test_a_found_curve_takes_the_place_of_the_named_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('MMADA_THETA', 'work_dirs/search/curve.json')
    config = read('voc', 'retrain', 'miou')
    for head in ('decode_head', 'auxiliary_head'):
        theta = config.model[head].loss_decode.theta
        assert theta == 'work_dirs/search/curve.json'
