"""Every config of configs/paper is built, and is what its name says."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.optim import LinearLR
from mmengine.registry import METRICS, TASK_UTILS, init_default_scope
from mmengine.runner import Runner

from mmada.controllers import (
    AdaSegment,
    AmLfs,
    BohbSearch,
    GridSearch,
    PopulationTraining,
    SlopeSearch,
)
from mmada.engine.optimizers import head_rule_of
from mmada.engine.optimizers.head_rule import (
    CorrectedLearningRateHeadRule,
    GradientHeadRule,
    NoHeadRule,
)
from mmada.models.objectives import build_objectives
from tests.support.paper_runs import (
    NAMES,
    SEARCHES,
    build,
    model_of,
    num_images,
    parts_of,
    read,
)

EPOCHS = {'1x': 12, '2x': 24, '24e': 24}
CLASSES = dict(coco=(80, 53), ade20k=(100, 50))
CONTROLLERS = {
    'ada-segment-search': AdaSegment,
    'ada-segment-local-search': AdaSegment,
    'stable-search': AdaSegment,
    'slope-search': SlopeSearch,
    'grid-search': GridSearch,
    'pbt-search': PopulationTraining,
    'am-lfs-search': AmLfs,
    'bohb-search': BohbSearch,
}


HEAD_RULES = {'gradnorm': GradientHeadRule, 'hand-tuned': NoHeadRule}


@pytest.fixture(scope='module', params=NAMES)
def name(request):
    """One config after the other, since most share their model."""
    return request.param


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    init_default_scope('mmdet')
    monkeypatch.setattr(Runner, '_log_env', lambda *_: None)


def test_a_run_is_built_with_the_paper_s_schedule(name, tmp_path):
    runner = build(name, tmp_path)
    _, schedule, _ = parts_of(name)
    epoch = -(-num_images(name) // 16)
    assert runner.train_loop.max_iters == EPOCHS[schedule] * epoch
    defaults = runner.optim_wrapper.optimizer.defaults
    assert defaults['weight_decay'] == 0.0001
    assert (defaults['lr'], defaults['momentum']) == (0.02, 0.9)
    warm_up, cosine = runner.param_schedulers
    assert isinstance(warm_up, LinearLR)
    assert warm_up.end == 500
    assert cosine.end == cosine.T_max == runner.train_loop.max_iters
    assert cosine.eta_min == 0
    rule = HEAD_RULES.get(parts_of(name)[0], CorrectedLearningRateHeadRule)
    assert type(head_rule_of(runner.optim_wrapper)) is rule


def test_a_step_has_sixteen_images(name):
    config = read(name)
    batch = config.train_dataloader.batch_size
    assert config.auto_scale_lr.base_batch_size == 16
    if name in SEARCHES:  # that of a replica, on all ranks together
        assert (batch, config.train_cfg.ranks_per_replica) == (16, 8)
    else:
        assert 8 * batch == 16


def test_the_detector_is_the_one_of_the_name(name):
    model, stem = model_of(name), Path(name).name
    cascade = stem.startswith('cascade')
    assert len(model.objective_weights.objectives) == (10 if cascade else 4)
    tuned = {'seg': 0.5} if 'hand-tuned' in name else {}
    assert model.objective_weights.values == tuple(
        tuned.get(objective, 1.0)
        for objective in model.objective_weights.objectives.names
    )
    detector = model
    assert detector.backbone.depth == (101 if '_r101-' in stem else 50)
    deformable = {
        key.split('.')[0]
        for key, _ in detector.backbone.named_parameters()
        if 'conv_offset' in key
    }
    wanted = {'layer2', 'layer3', 'layer4'} if '-dcn-' in stem else set()
    assert deformable == wanted
    things, stuff = CLASSES[name.split('/')[0]]
    roi = detector.roi_head
    heads = [head for head in roi.modules() if hasattr(head, 'num_classes')]
    assert len(heads) == (6 if cascade else 2)
    assert {head.num_classes for head in heads} == {things}
    assert detector.semantic_head.num_stuff_classes == stuff
    assert detector.semantic_head.num_things_classes == things
    assert detector.panoptic_fusion_head.num_classes == things + stuff
    assert detector.test_cfg.panoptic.stuff_area_limit == 4096


def controller_of(name):
    loop = read(name).train_cfg
    return TASK_UTILS.build(
        loop.controller,
        default_args=dict(
            num_objectives=len(build_objectives(read(name).model.objectives)),
            num_rounds=loop.num_rounds,
            seed=0,
        ),
    )


@pytest.mark.parametrize('name', SEARCHES)
def test_a_search_has_the_paper_s_controller(name):
    method, schedule, _ = parts_of(name)
    controller = controller_of(name)
    assert type(controller) is CONTROLLERS[method]
    if method == 'grid-search':
        epochs = EPOCHS[schedule]
        assert controller.num_rounds * controller.num_replicas == 20 * epochs
        options = read(name).train_cfg.controller
        rounds = controller.training_rounds(controller.num_rounds, options)
        assert rounds == epochs
        return
    # SlopeSearch: two for each of three directions, centre and control.
    assert controller.num_replicas == 8
    if method != 'bohb-search':
        assert controller.num_rounds == EPOCHS[schedule]
        assert read(name).train_cfg.iters_per_round is None
    if method.startswith('ada-segment'):
        identity = controller.state_dict()['identity']
        assert identity['preset'] == 'paper'
        options = identity['options']
        assert options.pop('reward') == (
            'local' if '-local-' in name else 'full'
        )
        wanted = dict(hidden=16, sigma=0.2, lr=0.05, weight_decay=0.0005)
        assert options.items() >= dict(wanted, gamma=0.9).items()


@pytest.mark.parametrize('name', [name for name in SEARCHES if 'grid' in name])
def test_the_grid_is_four_by_five(name):
    controller = controller_of(name)
    points = controller.state_dict()['identity']['options']['points']
    det, seg = (0.5, 0.75, 1.0, 1.5), (0.1, 0.25, 0.5, 0.75, 1.0)
    assert points == [[d] * 9 + [s] for d in det for s in seg]
    assert read(name).train_cfg.iters_per_round is None


@pytest.mark.parametrize('name', SEARCHES)
def test_a_search_sees_no_validation_image(name):
    config = read(name)
    train = config.train_dataloader.dataset
    reward = config.train_cfg.reward_dataloader.dataset
    assert (train.keep, reward.keep) == ('others', 'listed')
    assert train.ids_file == reward.ids_file
    assert train.ids_file.startswith(train.dataset.data_root)
    whole = read(name.replace('-search', '')).train_dataloader.dataset
    assert train.dataset == whole
    for key in ('type', 'data_root', 'ann_file', 'data_prefix'):
        assert reward.dataset[key] == whole[key]
    assert reward.dataset.test_mode
    truth = config.train_cfg.reward_evaluator
    assert METRICS.get(truth.type)
    assert truth.ann_file == whole.data_root + whole.ann_file
    assert truth.seg_prefix == whole.data_root + whole.data_prefix.seg
    assert truth.classes_of == 'ground_truth'
    assert not config.get('custom_hooks')
