"""A searched loss as one of the objectives that Ada-Segment weights."""

import json
from pathlib import Path

import pytest
from mmengine.runner import Runner

from mmada.engine import load_policy
from mmada.models import AutoSegLoss
from mmada.surrogates import load_curve

pytestmark = pytest.mark.slow


def test_one_run_searches_the_loss_then_its_weight(config):
    search = dict(num_rounds=1, iters_per_round=1)
    cfg = config('search_and_weights')
    first, second = cfg.train_cfg.exploration
    first.update(search)
    first.controller.num_replicas = 3
    second.update(num_rounds=1)
    second.controller.num_replicas = 2
    cfg.train_cfg.training.update(max_epochs=1, val_interval=1)
    runner = Runner.from_cfg(cfg)
    runner.train()
    work_dir = Path(cfg.work_dir)
    stored = load_curve(work_dir / 'curve.json')
    assert stored.provenance['reward_metric'] == 'coco_panoptic/PQ_st'
    (loss,) = [m for m in runner.model.modules() if isinstance(m, AutoSegLoss)]
    assert loss.shape.flatten().tolist() == list(stored.points)
    assert 'seg' in load_policy(work_dir / 'policy.safetensors').objectives
    for name, key in (('search', 'actions'), ('exploration', 'weights')):
        path = work_dir / name / 'history.jsonl'
        (record,) = map(json.loads, path.read_text().splitlines())
        assert len(record[key]) == len(record['rewards'])
    assert (work_dir / 'epoch_1.pth').exists()
