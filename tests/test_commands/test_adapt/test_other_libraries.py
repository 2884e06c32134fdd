"""Stock configs of neither MMDetection nor MMSegmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import (
    DATASETS,
    METRICS,
    MODELS,
    DefaultScope,
    Registry,
)

from mmada.commands.adapt import stock
from mmada.commands.command_line import main
from mmada.engine.loops.config_checks import check_reward
from mmada.evaluation import SubsetCocoMetric, coco_metric_class
from tests.support import toy
from tests.test_commands.test_adapt.test_adapt import refusal
from tests.test_commands.test_adapt.tiny import adapt

SCOPE = 'other_library'
OTHER_MODELS = Registry('model', parent=MODELS, scope=SCOPE)
OTHER_DATASETS = Registry('dataset', parent=DATASETS, scope=SCOPE)
OTHER_METRICS = Registry('metric', parent=METRICS, scope=SCOPE)
OTHER_DATASETS.register_module(name='Rows', module=toy.ToyDataset)
OTHER_METRICS.register_module(name='Score', module=toy.ToyMetric)


@OTHER_MODELS.register_module(name='Net')
class OtherNet(toy.ToyDetector):
    """One loss is a log likelihood, which may be negative."""

    def forward(self, x: Any, y: Any, mode: str = 'tensor') -> Any:
        found = super().forward(x, y, mode)
        if mode != 'predict':
            found['loss_likelihood'] = -torch.ones(())
        return found


@OTHER_MODELS.register_module(name='Summed')
class SummedNet(toy.ToyDetector):
    """Returns a single loss without a name of its own, as MMAction2's BMN."""

    def forward(self, x: Any, y: Any, mode: str = 'tensor') -> Any:
        return dict(loss=super().forward(x, y, mode)['loss_a'])


@OTHER_METRICS.register_module(name='CocoMetric')
class KeypointMetric(toy.ToyMetric):
    """Has the name of a metric of MMDetection, and counts something else."""


def write_stock(folder: Path, **options: Any) -> Path:
    """Writes the config of a training in the other library's scope."""
    loader = toy.dataloader()
    loader['dataset']['type'] = 'Rows'
    config = dict(
        default_scope=SCOPE,
        custom_imports=dict(imports=[__name__]),
        model=dict(type='Net'),
        train_dataloader=loader,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1),
        val_dataloader=dict(loader, sampler=dict(type='DefaultSampler')),
        val_cfg=dict(),
        val_evaluator=dict(type='Score'),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.001)),
        log_level='ERROR',
    )
    path = folder / 'stock.py'
    Config({**config, **options}).dump(path)
    return path


def test_the_losses_are_found_on_the_data_of_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_stock(tmp_path)
    cfg = adapt(str(path), tmp_path / 'mine.py', '--method', 'random')
    assert cfg.objectives == 'auto'
    assert cfg.custom_hooks[0].type == 'StepWeightingHook'
    losses = 'loss_rpn, loss_a, loss_b, loss_likelihood'
    assert f'Each loss is an objective: {losses}.' in capsys.readouterr().out


def test_a_negative_loss_keeps_weight_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'mine.py'
    cfg = adapt(str(write_stock(tmp_path)), out)
    said = capsys.readouterr().out
    assert 'by their ratios: loss_likelihood.' in said
    names = ['loss_rpn', 'loss_a', 'loss_b']
    assert cfg.objectives == {name: name for name in names}
    assert main(['train', str(out), '--work-dir', str(tmp_path / 'run')]) == 0
    assert (tmp_path / 'run/weights.jsonl').is_file()


def test_a_model_that_returns_their_sum_alone_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_stock(tmp_path, model=dict(type='Summed'))
    said = refusal(capsys, path, '-o', tmp_path / 'mine.py')
    assert "Found none but 'loss', the name of the sum of all." in said


def test_a_batch_that_cannot_be_had_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loader = toy.dataloader()
    loader['dataset'] = dict(type='NoSuchRows')
    path = write_stock(tmp_path, train_dataloader=loader)
    cfg = adapt(str(path), tmp_path / 'mine.py')
    assert cfg.objectives == 'auto'
    said = capsys.readouterr().out
    assert 'it could not be looked at here (KeyError: ' in said
    assert 'NoSuchRows' in said


def test_a_search_needs_the_name_of_an_unknown_metric(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_stock(tmp_path, val_evaluator=dict(type='CocoMetric'))
    out = tmp_path / 'mine.py'
    said = refusal(capsys, path, '-o', out, '--method', 'slope')
    assert '`--reward` should name the value of `val_evaluator`' in said
    assert 'Found none, and CocoMetric.' in said


def test_a_metric_of_the_same_name_is_not_mmdetections() -> None:
    with DefaultScope.overwrite_default_scope(SCOPE):
        assert coco_metric_class('CocoMetric') is None
        assert coco_metric_class('mmdet.CocoMetric') is not None
        assert coco_metric_class('SubsetCocoMetric') is SubsetCocoMetric
        # With a list of held-out images only MMDetection's is refused.
        check_reward(
            dict(dataset=dict(ids_file='ids.txt')), dict(type='CocoMetric')
        )


def test_a_base_with_a_function_for_batches_is_named_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def base_of(**options: Any) -> str:
        path = write_stock(
            tmp_path, train_dataloader=dict(toy.dataloader(), **options)
        )
        monkeypatch.setattr(stock, 'shipped_config', lambda name: path)
        monkeypatch.setattr(stock, 'is_installed', lambda name: True)
        return stock.read_stock('mmother::stock.py', tmp_path).base

    assert base_of() == 'mmother::stock.py'
    collate = dict(type='pseudo_collate')
    assert base_of(collate_fn=collate) == str(tmp_path / 'stock.py')
