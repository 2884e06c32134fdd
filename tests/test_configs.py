"""The full-size configs, built with no data present."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import (
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    TASK_UTILS,
    TRANSFORMS,
    DefaultScope,
)
from mmengine.structures import InstanceData, PixelData
from torch import nn

from mmada.controllers import SlopeSearch
from mmada.engine import (
    LossWeightingHook,
    PolicyWeightingHook,
    StepWeightingHook,
)
from mmada.models import LossWeightWrapper, build_objectives

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
FULL_SIZE = CONFIGS / 'ada' / 'cascade_panoptic_r50_1x.py'


@pytest.fixture(scope='module', autouse=True)
def _scope() -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture(scope='module')
def config() -> Config:
    return Config.fromfile(FULL_SIZE)


@pytest.fixture(scope='module')
def model(config: Config) -> nn.Module:
    return MODELS.build(config.model)


def synthetic_batch(size: int) -> dict[str, object]:
    """One image with two things over a background of two stuff classes."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(
        0, 256, (3, size, size), generator=generator, dtype=torch.uint8
    )
    masks = torch.zeros(2, size, size, dtype=torch.uint8)
    masks[0, 8:60, 8:60] = 1
    masks[1, 40:120, 70:120] = 1
    semantic = torch.full((1, size, size), 80)
    semantic[:, :, size // 2 :] = 132
    for label, mask in zip((3, 17), masks, strict=True):
        semantic[:, mask.bool()] = label
    sample = DetDataSample(
        metainfo=dict(
            img_shape=(size, size),
            ori_shape=(size, size),
            scale_factor=(1.0, 1.0),
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[8.0, 8, 60, 60], [70, 40, 120, 120]]),
        labels=torch.tensor([3, 17]),
        masks=BitmapMasks(masks.numpy(), size, size),
    )
    sample.gt_sem_seg = PixelData(sem_seg=semantic)
    return dict(inputs=[image], data_samples=[sample])


def test_model_is_the_paper_s(model: nn.Module) -> None:
    assert isinstance(model, LossWeightWrapper)
    assert len(model.objective_weights.objectives) == 10
    roi_head = model.roi_head
    assert roi_head.num_stages == 3
    assert roi_head.stage_loss_weights == pytest.approx([1 / 3] * 3)
    stds = [head.bbox_coder.stds for head in roi_head.bbox_head]
    assert [std[0] for std in stds] == [0.1, 0.05, 0.033]
    assert len({id(head) for head in roi_head.mask_head}) == 3
    assert model.semantic_head.loss_seg.loss_weight == 1.0
    assert model.semantic_head.num_stuff_classes == 53


def test_deformable_convolutions_in_stages_3_to_5(model: nn.Module) -> None:
    backbone = model.backbone
    deformable = {
        name.split('.')[0]
        for name, _ in backbone.named_parameters()
        if 'conv_offset' in name
    }
    assert deformable == {'layer2', 'layer3', 'layer4'}


def test_every_objective_has_a_finite_loss_and_reaches_the_trunk(
    model: nn.Module,
) -> None:
    torch.manual_seed(0)
    model.train()
    data = model.data_preprocessor(synthetic_batch(128), True)
    losses = model(**data, mode='loss')
    total, logged = model.parse_losses(losses)
    total.backward()

    names = [name for name in logged if name.startswith('weighted.')]
    assert len(names) == 10
    assert all(torch.isfinite(logged[name]) for name in names)
    gradient = model.backbone.layer2[0].conv2.conv_offset.weight.grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()


def test_optimizer_follows_the_head_rule(
    config: Config, model: nn.Module
) -> None:
    optim_wrapper = build_optim_wrapper(model, config.optim_wrapper)
    defaults = optim_wrapper.optimizer.defaults
    assert (defaults['lr'], defaults['momentum']) == (0.02, 0.9)
    assert defaults['weight_decay'] == 0.0001
    assert optim_wrapper.head_rule.limits == (0.01, 100.0)


def test_parts_that_need_no_data_are_built(
    config: Config, model: LossWeightWrapper
) -> None:
    exploration = config.train_cfg.exploration
    controller = TASK_UTILS.build(
        exploration.controller,
        default_args=dict(
            num_objectives=len(model.objective_weights.objectives),
            num_rounds=exploration.num_rounds,
        ),
    )
    assert controller.num_replicas == 8
    assert [HOOKS.build(hook).__class__ for hook in config.custom_hooks] == [
        PolicyWeightingHook
    ]
    for pipeline in (config.train_pipeline, config.test_pipeline):
        for transform in pipeline:
            assert TRANSFORMS.build(transform)


def test_objectives_of_a_kind_share_a_factor(
    config: Config, model: LossWeightWrapper
) -> None:
    groups = config.train_cfg.exploration.controller.groups
    names = model.objective_weights.objectives.names
    kinds = [{names[i].split('.')[-1] for i in group} for group in groups]
    assert kinds == [{'cls'}, {'bbox'}, {'mask'}, {'seg'}]


def test_parts_that_need_data_are_registered(config: Config) -> None:
    exploration = config.train_cfg.exploration
    for loop in (config.train_cfg, exploration, config.train_cfg.training):
        assert LOOPS.get(loop.type)
    for metric in (exploration.reward_evaluator, config.val_evaluator):
        assert METRICS.get(metric.type)


def test_exploration_never_sees_the_validation_images(config: Config) -> None:
    exploration = config.train_cfg.exploration
    train = exploration.dataloader.dataset
    reward = exploration.reward_dataloader.dataset
    assert (train.keep, reward.keep) == ('others', 'listed')
    assert train.ids_file == reward.ids_file
    assert train.ids_file.endswith('panoptic_train2017_proxy_reward.txt')
    for part in (train, reward):
        assert part.dataset.ann_file == 'annotations/panoptic_train2017.json'
    assert exploration.reward_evaluator.ann_file == (
        config.data_root + reward.dataset.ann_file
    )
    assert 'val2017' not in str(exploration)


def test_sixteen_images_a_step(config: Config) -> None:
    exploration = config.train_cfg.exploration
    assert config.auto_scale_lr.base_batch_size == 16
    assert 8 * config.train_dataloader.batch_size == 16
    # That of a replica, whichever number of ranks it is shared out to.
    assert exploration.dataloader.batch_size == 16
    assert exploration.ranks_per_replica == 8


def test_panoptic_fpn_builds() -> None:
    config = Config.fromfile(CONFIGS / '_base_/models/panoptic_fpn_r50.py')
    wrapper = LossWeightWrapper(config.model, objectives='panoptic_fpn')
    assert len(wrapper.objective_weights.objectives) == 4
    assert wrapper.semantic_head.loss_seg.loss_weight == 1.0


def test_the_search_over_whole_trainings_is_built() -> None:
    config = Config.fromfile(FULL_SIZE.with_stem(f'{FULL_SIZE.stem}_slope'))
    exploration = config.train_cfg.exploration
    objectives = build_objectives(config.model.objectives)
    assert objectives is not None
    controller = TASK_UTILS.build(
        exploration.controller,
        default_args=dict(
            num_objectives=len(objectives),
            num_rounds=exploration.num_rounds,
            seed=0,
        ),
    )
    assert isinstance(controller, SlopeSearch)
    hook = HOOKS.build(config.custom_hooks[-1])
    assert isinstance(hook, PolicyWeightingHook)
    # Stages of one kind share a factor.
    assert objectives.names == ('cls', 'bbox', 'mask', 'seg', 'rpn')
    # Each replica has one opposite but for centre point and control.
    assert controller.num_replicas == 2 * (len(objectives) - 1) + 2


def test_inverse_loss_weighting_of_kinds_is_built() -> None:
    path = FULL_SIZE.with_stem(f'{FULL_SIZE.stem}_inverse_loss')
    config = Config.fromfile(path)
    objectives = MODELS.build(config.model).objective_weights.objectives
    assert objectives.names == ('cls', 'bbox', 'mask', 'seg')
    (hook,) = map(HOOKS.build, config.custom_hooks)
    assert isinstance(hook, LossWeightingHook)
    assert config.custom_hooks[0].weighting.type == 'InverseLossWeighting'
    assert config.optim_wrapper.head_rule.mode == 'grad'
    assert LOOPS.get(config.train_cfg.type).__name__ == 'EpochBasedTrainLoop'


def test_weights_learned_in_a_training_are_built() -> None:
    path = FULL_SIZE.with_stem(f'{FULL_SIZE.stem}_uncertainty')
    config = Config.fromfile(path)
    assert isinstance(MODELS.build(config.model), LossWeightWrapper)
    assert isinstance(HOOKS.build(config.custom_hooks[-1]), StepWeightingHook)
    assert LOOPS.get(config.train_cfg.type).__name__ == 'EpochBasedTrainLoop'
    # As the rows of the benchmark that recommend it.
    measured = Config.fromfile('configs/_base_/schedules/schedule_scenes.py')
    for found in (config, measured):
        assert found.optim_wrapper.head_rule.mode == 'grad'
        assert found.optim_wrapper.optimizer.type == 'AdamW'
    assert config.model.objectives == 'cascade_panoptic'
    assert config.custom_hooks[-1].weighting.normalize == 'mean'
    assert 8 * config.train_dataloader.batch_size == 16
    assert config.train_dataloader.dataset.ann_file.endswith('train2017.json')
