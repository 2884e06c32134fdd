"""A real panoptic detector of MMDetection, small, on generated scenes."""

import json
from pathlib import Path

import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.registry import MODELS
from mmengine.runner import Runner

from mmada.engine import load_policy
from mmada.engine.probe import probe_objectives
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.segment_loader import SegmentLoader
from tests.support.toy import assert_same_state

pytestmark = pytest.mark.slow

CASCADE = [f's{i}.{k}' for i in range(3) for k in ('cls', 'bbox', 'mask')]


def train(cfg):
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def bare(cfg):
    """Takes the wrapper and the head rule out of a config."""
    cfg.model = cfg.model.detector
    del cfg.optim_wrapper['constructor'], cfg.optim_wrapper['head_rule']
    return cfg


def test_ones_train_as_the_bare_detector_to_the_bit(config):
    short = {'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 9}
    hook = dict(
        type='LossWeightingHook',
        weighting=dict(type='StaticWeighting', weights=[1.0] * 10),
    )
    cfg = config('ones', **short)
    cfg.custom_hooks.append(hook)
    wrapped = train(cfg)
    plain = train(bare(config('ones', **short)))
    assert_same_state(plain.model.state_dict(), wrapped.model.state_dict())


@pytest.fixture
def probed(config):
    """A model whose parameters were assigned to the ten objectives."""
    cfg = config('ones')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    runner = Runner.from_cfg(config('ones'))
    optim_wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    loader = SegmentLoader(cfg.train_dataloader, None, 0)
    runner.model.init_weights()
    before = LiveReplica(runner.model, optim_wrapper).capture()
    probe_objectives(runner.model, optim_wrapper, loader.segment(0))
    after = LiveReplica(runner.model, optim_wrapper).capture()
    assert_same_state(before['buffers'], after['buffers'])
    assert_same_state(before['parameters'], after['parameters'])
    groups = optim_wrapper.optimizer.param_groups
    return {
        name: group['objectives']
        for (name, _), group in zip(
            runner.model.named_parameters(), groups, strict=True
        )
    }


def test_parameters_belong_to_the_objectives_that_reach_them(probed):
    expected = {
        'backbone.': list(range(10)),
        'neck.': list(range(10)),
        'rpn_head.': [],
        'semantic_head.': [9],
        **{
            f'roi_head.{part}': owners
            for i in range(3)
            for part, owners in (
                (f'bbox_head.{i}.shared_fcs.', [3 * i, 3 * i + 1]),
                (f'bbox_head.{i}.fc_cls.', [3 * i]),
                (f'bbox_head.{i}.fc_reg.', [3 * i + 1]),
                (f'mask_head.{i}.', [3 * i + 2]),
            )
        },
    }
    for name, owners in probed.items():
        (prefix,) = [p for p in expected if name.startswith(p)]
        assert owners == expected[prefix], name


@pytest.fixture
def explored(config):
    """Algorithm 1: two rounds of two replicas, then two epochs."""
    cfg = config(
        'ada',
        **{
            'train_cfg.exploration.num_rounds': 2,
            'train_cfg.exploration.controller.num_replicas': 2,
            'train_cfg.training.max_epochs': 2,
            'train_cfg.training.val_interval': 2,
            'visualizer.vis_backends': [
                dict(type='LocalVisBackend'),
                dict(type='TensorboardVisBackend'),
            ],
        },
    )
    return train(cfg)


def test_algorithm_1_explores_and_trains(explored, scenes):
    work_dir = Path(explored.work_dir)
    ensemble = load_policy(work_dir / 'policy.safetensors')
    assert ensemble.objectives == (*CASCADE, 'seg')
    assert ensemble.num_rounds == 2
    rows = (work_dir / 'weights.jsonl').read_text().splitlines()
    for row in map(json.loads, rows):
        assert sum(row['weights']) == pytest.approx(10, rel=1e-2)
        assert min(row['weights']) >= 1e-3
    _reads_tensorboard(work_dir)
    _infers(work_dir, scenes)


def _reads_tensorboard(work_dir):
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    (events,) = work_dir.glob('*/vis_data/events.out.tfevents*')
    accumulator = EventAccumulator(str(events))
    accumulator.Reload()
    weights = accumulator.Scalars('exploration/weights.seg')
    assert [event.step for event in weights] == [1, 2]
    assert 'exploration/best.PQ' in accumulator.Tags()['scalars']


def _infers(work_dir, scenes):
    """mmdet's own inferencer takes the config and the checkpoint."""
    inferencer = DetInferencer(
        str(next(work_dir.glob('*.py'))),
        str(work_dir / 'epoch_2.pth'),
        device='cpu',
        show_progress=False,
    )
    result = inferencer(
        str(next(scenes.glob('test/*.png'))), return_datasamples=True
    )
    (sample,) = result['predictions']
    assert sample.pred_panoptic_seg.sem_seg.shape[-2:] == (64, 96)
