"""Rows that give rivals what the package's own searches have."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.registry import MODELS, TASK_UTILS

from mmada.controllers import Rest
from mmada.models import build_objectives
from tests.support.scripts import load

MODULES = ('equal_terms', 'method', 'methods', 'problems', 'variants')
LOSSES = torch.linspace(0.05, 1.2, 11, dtype=torch.float64)
KINDS = [[0, 3, 6], [1, 4, 7], [2, 5, 8], [9], [10]]


@pytest.fixture(scope='module')
def tools():
    return SimpleNamespace(
        **{name: load(f'benchmarks/compare/{name}.py') for name in MODULES}
    )


def config_of(tools, name, tmp_path, problem='cascade'):
    problem = tools.problems.PROBLEMS[problem]
    cfg = tools.problems.base_config(problem, tmp_path, 0)
    search = tools.methods.SEARCHES[name]
    tools.method.apply_search(search, problem, cfg)
    return cfg


def controller_of(cfg):
    size = len(build_objectives(cfg.model.objectives))
    return TASK_UTILS.build(
        cfg.train_cfg.controller,
        default_args=dict(
            num_objectives=size, num_rounds=cfg.train_cfg.num_rounds
        ),
    )


def test_searches_on_equal_terms_draw_factors_of_kinds_around_inverse_loss(
    tools, tmp_path
):
    names = [n for n in tools.equal_terms.EQUAL_SEARCHES if ', equal' in n]
    assert len(names) == 9
    for name in names:
        if 'BOHB' in name or 'Hyperband' in name:
            pytest.importorskip('optuna')
        cfg = config_of(tools, name, tmp_path)
        assert cfg.model.objectives == 'cascade_panoptic_rpn'
        controller = controller_of(cfg)
        assert controller.num_replicas == 8
        # What is left of inverse-loss weighting are the kinds' factors.
        factors = controller.propose(LOSSES) * LOSSES
        for kind in KINDS:
            spread = factors[:, kind].std(1, correction=0)
            assert spread.max() < 1e-12 * factors.max()
        kinds = factors[:, [group[0] for group in KINDS]]
        shapes = kinds / kinds[:, :1]
        assert len(shapes.unique(dim=0)) == 8, name
        if name[:3] not in ('Ada', 'AM-'):  # whose replicas are all drawn
            torch.testing.assert_close(shapes[0], torch.ones(5).double())


def test_candidates_train_less_or_in_longer_rounds(tools, tmp_path):
    for length, rounds in (('half', 3), ('two thirds', 4)):
        name = f'SlopeSearch, equal terms, first {length}'
        cfg = config_of(tools, name, tmp_path)
        assert cfg.train_cfg.num_rounds == rounds
        assert cfg.train_cfg.iters_per_round == 40
        assert cfg.train_cfg.controller.rounds_per_training == 6
        assert tools.methods.METHODS[name].search == name
        assert tools.methods.METHODS[f'{name}, or ones'].search == name
        weights = controller_of(cfg).propose(LOSSES)
        assert weights.shape == (9, 11)
        assert (weights[-1] == 1).all() and not (weights[0] == 1).all()
    cfg = config_of(tools, 'Ada-Segment, rounds of 3 epochs', tmp_path)
    assert cfg.train_cfg.num_rounds == 2
    assert cfg.train_cfg.iters_per_round == 120


def test_random_trainings_are_as_many_as_replicas(tools, tmp_path):
    train = config_of(tools, 'random, equal terms', tmp_path).train_cfg
    assert (train.num_rounds, train.iters_per_round) == (1, 240)
    train = config_of(tools, 'random', tmp_path).train_cfg
    assert (train.num_rounds, train.controller.num_replicas) == (1, 4)


def proposals(controller):
    """Plays a search; returns candidates, the model's, and trainings."""
    noise = torch.Generator().manual_seed(0)
    segments, info = 0, {}
    while not controller.finished:
        weights = controller.propose(LOSSES[: controller.num_objectives])
        rests = [isinstance(entry, Rest) for entry in controller.plan()]
        segments += rests.count(False)
        chance = torch.randn(len(weights), generator=noise).double()
        metrics = 40 - weights.log().square().sum(-1) + chance
        info = controller.observe(metrics, None).info
        if controller.rounds_done == controller.num_rounds:
            break
    return info['candidates'], info['by_model'], segments / 6


def test_most_candidates_of_bohb_are_the_models_or_its_name_says_so(
    tools, tmp_path
):
    pytest.importorskip('optuna')
    rows = tools.methods.METHODS
    assert 'BOHB' not in rows
    for name, row in rows.items():
        if 'BohbSearch' not in str(tools.methods.SEARCHES.get(row.search)):
            continue
        cfg = config_of(tools, row.search, tmp_path)
        candidates, modelled, cost = proposals(controller_of(cfg))
        if 'BOHB' in name:
            assert modelled > candidates / 2
            assert 20 < cost < 24
        else:
            assert name.startswith('Hyperband, random')
            assert modelled == 0
            assert cost < 10


def test_kinds_are_objectives_of_search_and_training(tools, tmp_path):
    for name, objectives in (
        ('inverse-loss of kinds', 'cascade_kinds'),
        ('inverse-loss of kinds +rpn', 'cascade_kinds_rpn'),
        ('SlopeSearch of kinds +rpn', 'cascade_kinds_rpn'),
        (
            'inverse-loss of kinds, region proposals x0.33',
            'cascade_kinds_rpn',
        ),
    ):
        row = tools.methods.METHODS[name]
        problem = tools.problems.PROBLEMS['cascade']
        cfg = tools.problems.base_config(problem, tmp_path, 0)
        tools.method.apply_method(row, cfg, None, None)
        assert cfg.model.objectives == objectives
        if row.search:
            cfg = config_of(tools, row.search, tmp_path)
            assert cfg.model.objectives == objectives
    factors = tools.problems.base_config(problem, tmp_path, 0)
    tools.method.apply_method(row, factors, None, None)
    found = factors.custom_hooks[-1].weighting.factors
    assert found == [1, 1, 1, 1, pytest.approx(1 / 3)]


def test_variants_are_run_only_if_named(tools):
    names = [row.name for row in tools.variants.VARIANTS]
    assert len(set(names)) == len(names)
    assert set(names) <= set(tools.methods.METHODS)
    assert not set(names) & set(tools.methods.DEFAULT)
    assert {row.name for row in tools.variants.CORRECTED} <= set(
        tools.methods.DEFAULT
    )


def test_variants_can_be_built(tools, tmp_path):
    pytest.importorskip('torchjd', reason='[torchjd] is not installed')
    for row in (*tools.variants.CORRECTED, *tools.variants.VARIANTS):
        problem = tools.problems.PROBLEMS['cascade']
        cfg = tools.problems.base_config(problem, tmp_path, 0)
        tools.method.apply_method(row, cfg, None, None)
        assert TASK_UTILS.build(cfg.custom_hooks[-1].weighting)
        off = cfg.optim_wrapper.head_rule.mode == 'off'
        assert off == row.name.endswith('head rule off')


def test_a_row_can_replace_the_loss_of_the_semantic_head(tools, tmp_path):
    cfg = tools.problems.base_config(
        tools.problems.PROBLEMS['cascade'], tmp_path, 0
    )
    row = tools.methods.METHODS['mIoU loss of VOC']
    tools.method.apply_method(row, cfg, None, None)
    loss = MODELS.build(cfg.model.detector.semantic_head.loss_seg)
    assert (loss.metric, loss.loss_weight) == ('mIoU', 1.0)


def test_gradnorm_of_the_first_rows_is_what_it_was(tools):
    row = tools.methods.METHODS['GradNorm']
    assert row.hook['weighting'] == dict(
        type='GradNorm', initial_losses='iteration'
    )
