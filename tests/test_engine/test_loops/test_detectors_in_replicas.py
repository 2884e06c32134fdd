"""Detectors of mmdet that change while they train, in a search."""

import copy
import json
import math

import numpy as np
import pytest
from mmdet.engine.hooks import MeanTeacherHook
from mmdet.models import (
    BatchSyncRandomResize,
    DynamicRoIHead,
    TOODHead,
    YOLOXHead,
)
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, MODELS

from tests.support import tiny_data, toy
from tests.support.tiny_dense import ATSS
from tests.support.tiny_two_stage import FASTER_RCNN
from tests.test_engine.test_loops import (
    test_parallel_exploration_loop,  # noqa: F401  registers a controller
)
from tests.test_engine.test_replicas.test_course import stop_after

OBJECTIVES = dict(cls='loss_cls', bbox='loss_bbox')
SGD = dict(
    type='OptimWrapper',
    constructor='HeadRuleOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
    clip_grad=dict(max_norm=10.0),
)


def search(work_dir, detector, objectives=OBJECTIVES, hooks=(), **options):
    """Explores with two replicas of equal weights; an epoch is two batches."""
    table = [[1.0] * len(objectives)] * 2
    exploration = dict(
        type='ParallelExplorationLoop',
        num_rounds=3,
        controller=options.pop(
            'controller', dict(type='TableController', table=table)
        ),
        reward_dataloader=tiny_data.dataloader(100, 4, batch_size=2),
        reward_evaluator=dict(type='BestOverlap'),
        reward_metric='tiny/overlap',
        iters_per_round=options.pop('iters_per_round', 2),
    )
    runner = toy.runner(
        work_dir,
        model=dict(
            type='LossWeightWrapper', objectives=objectives, detector=detector
        ),
        train_dataloader=options.pop(
            'data', tiny_data.dataloader(0, 4, batch_size=2)
        ),
        train_cfg=exploration,
        optim_wrapper=SGD,
        param_scheduler=None,
        custom_hooks=list(hooks),
        default_scope='mmdet',
        **options,
    )
    runner.train()
    return runner


def history(work_dir):
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_equal_replicas(work_dir):
    for record in history(work_dir):
        first, second = record['metrics']
        assert first == second


def watch(monkeypatch, kind, name, see):
    """Notes what `see` returns after each call of a method."""
    plain, seen = getattr(kind, name), []

    def watched(self, *args, **kwargs):
        found = plain(self, *args, **kwargs)
        seen.append(see(self, found))
        return found

    monkeypatch.setattr(kind, name, watched)
    return seen


TOOD = copy.deepcopy(ATSS)
TOOD['type'] = 'TOOD'
TOOD['bbox_head'] = dict(
    type='TOODHead',
    num_classes=2,
    in_channels=16,
    feat_channels=16,
    stacked_convs=2,
    norm_cfg=dict(type='GN', num_groups=4),
    anchor_type='anchor_free',
    anchor_generator=dict(
        type='AnchorGenerator',
        ratios=[1.0],
        octave_base_scale=4,
        scales_per_octave=1,
        strides=[8, 16, 32],
    ),
    bbox_coder=dict(
        type='DeltaXYWHBBoxCoder',
        target_means=[0.0] * 4,
        target_stds=[0.1, 0.1, 0.2, 0.2],
    ),
    initial_loss_cls=dict(type='FocalLoss', use_sigmoid=True, activated=True),
    loss_cls=dict(
        type='QualityFocalLoss', use_sigmoid=True, activated=True, beta=2.0
    ),
    loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
)
TOOD['train_cfg'] = dict(
    initial_epoch=1,
    initial_assigner=dict(type='ATSSAssigner', topk=9),
    assigner=dict(type='TaskAlignedAssigner', topk=13),
    alpha=1,
    beta=6,
    allowed_border=-1,
    pos_weight=-1,
)


def test_tood_learns_by_the_epoch_of_its_own_training(tmp_path, monkeypatch):
    """A probe, the pseudo epoch and three rounds of two replicas."""
    epochs = watch(monkeypatch, TOODHead, 'get_targets', lambda h, _: h.epoch)
    search(tmp_path, TOOD)
    assert epochs == [0] * 3 + [0] * 4 + [1] * 4 + [2] * 4
    assert_equal_replicas(tmp_path)


DYNAMIC_RCNN = copy.deepcopy(FASTER_RCNN)
DYNAMIC_RCNN['roi_head']['type'] = 'DynamicRoIHead'
DYNAMIC_RCNN['train_cfg']['rcnn']['dynamic_rcnn'] = dict(
    iou_topk=4,
    beta_topk=4,
    update_iter_interval=3,
    initial_iou=0.1,
    initial_beta=1.0,
)


def _thresholds(head, _):
    loss = head.bbox_head.loss_bbox
    return head.bbox_assigner.pos_iou_thr, loss.beta, len(head.iou_history)


def dynamic(work_dir, **options):
    objectives = dict(cls='loss_cls', bbox='loss_bbox', rpn=r'loss_rpn_.*')
    return search(work_dir, DYNAMIC_RCNN, objectives, **options)


def test_the_thresholds_of_dynamic_rcnn_are_those_of_a_replica(
    tmp_path, monkeypatch
):
    """It updates them every three iterations; a round has two."""
    seen = watch(monkeypatch, DynamicRoIHead, 'loss', _thresholds)
    dynamic(tmp_path)
    counts = [row[2] for row in seen]
    assert counts == [1] + [1, 2] * 3 + [0, 1] * 2 + [2, 0] * 2
    for first in (3, 7, 11):
        assert seen[first : first + 2] == seen[first + 2 : first + 4]
    assert seen[6][:2] == (0.5, 1.0)
    # In the second round, from the three iterations of its own.
    assert seen[7][0] != 0.5
    assert isinstance(seen[7][0], float | np.floating)
    assert seen[14][:2] != seen[11][:2] == seen[10][:2]
    assert_equal_replicas(tmp_path)


@pytest.mark.parametrize('place', [1, 2, 4, 6])
def test_killed_and_resumed_dynamic_rcnn_gives_the_same_digest(
    tmp_path, monkeypatch, place
):
    dynamic(tmp_path / 'whole')
    with monkeypatch.context() as patch:
        stop_after(patch, place)
        with pytest.raises(KeyboardInterrupt):
            dynamic(tmp_path / 'killed')
    dynamic(tmp_path / 'killed', resume=True)
    whole, killed = (
        [r['digest'] for r in history(tmp_path / name)]
        for name in ('whole', 'killed')
    )
    assert len(whole) == 3
    assert killed == whole


@DATASETS.register_module()
class SkippingBoxes(tiny_data.TinyBoxes):
    """Has the method that YOLOX's hook calls."""

    skipped = None

    def update_skip_type_keys(self, keys):
        self.skipped = tuple(keys)

    def __getitem__(self, index):
        row = super().__getitem__(index)
        row['data_samples'].set_metainfo(dict(skipped=self.skipped))
        return row


YOLOX = dict(
    type='YOLOX',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        pad_size_divisor=32,
        batch_augments=[
            dict(
                type='BatchSyncRandomResize',
                random_size_range=(32, 128),
                size_divisor=32,
                interval=2,
            )
        ],
    ),
    backbone=dict(type='CSPDarknet', deepen_factor=0.33, widen_factor=0.125),
    neck=dict(
        type='YOLOXPAFPN',
        in_channels=[32, 64, 128],
        out_channels=16,
        num_csp_blocks=1,
    ),
    bbox_head=dict(
        type='YOLOXHead', num_classes=2, in_channels=16, feat_channels=16
    ),
    train_cfg=dict(assigner=dict(type='SimOTAAssigner', center_radius=2.5)),
    test_cfg=dict(score_thr=0.0, nms=dict(type='nms', iou_threshold=0.65)),
)


@pytest.mark.parametrize('workers', [0, 1])
def test_yolox_changes_its_size_its_loss_and_its_data(
    tmp_path, monkeypatch, workers
):
    """Three epochs of two batches; the last two have L1 and no mosaic."""
    sizes = watch(
        monkeypatch,
        BatchSyncRandomResize,
        'forward',
        lambda _, found: (
            found[0].shape[-1],
            found[1][0].metainfo['skipped'] is not None,
        ),
    )
    losses = watch(
        monkeypatch,
        YOLOXHead,
        'loss_by_feat',
        lambda _, found: 'loss_l1' in found,
    )
    data = tiny_data.dataloader(0, 4, batch_size=2)
    data['dataset']['type'] = 'SkippingBoxes'
    search(
        tmp_path,
        YOLOX,
        dict(cls='loss_cls', bbox=['loss_bbox', 'loss_l1'], obj='loss_obj'),
        [dict(type='YOLOXModeSwitchHook', num_last_epochs=1)],
        data=dict(data, num_workers=workers),
    )
    assert losses == [False] * 7 + [True] * 8
    assert [skipped for _, skipped in sizes] == losses
    assert len({size for size, _ in sizes}) > 1
    for first in (3, 7, 11):
        assert sizes[first : first + 2] == sizes[first + 2 : first + 4]
    # A size that is drawn at the end of a round is that of the next one.
    assert [size for size, _ in sizes[:4]] == [64] * 4
    assert_equal_replicas(tmp_path)


def test_a_loss_that_appears_late_is_weighed_from_then_on(tmp_path, capsys):
    """L1 is an objective without a loss until the second epoch."""
    data = tiny_data.dataloader(0, 4, batch_size=2)
    data['dataset']['type'] = 'SkippingBoxes'
    late = dict(pattern='loss_l1', late=True)
    runner = search(
        tmp_path,
        YOLOX,
        dict(cls='loss_cls', bbox='loss_bbox', obj='loss_obj', l1=late),
        [dict(type='YOLOXModeSwitchHook', num_last_epochs=1)],
        data=data,
        controller=dict(type='AdaSegment', num_replicas=2),
        log_level='WARNING',
    )
    first, second, third = history(tmp_path)
    assert all(math.isfinite(w) for w in np.ravel(second['weights']))
    known = [
        [loss is not None and math.isfinite(loss) for loss in row['losses']]
        for row in (first, second, third)
    ]
    assert known == [[True] * 3 + [False]] * 2 + [[True] * 4]
    assert runner.model.objective_weights.values[3] > 0
    assert "'l1' had no loss in a whole period" in capsys.readouterr().out


@MODELS.register_module()
class StudentAndTeacher(BaseModel):
    """Trains the student; its score is that of the teacher."""

    def __init__(self):
        super().__init__()
        self.student = MODELS.build(dict(type='ToyDetector'))
        self.teacher = MODELS.build(dict(type='ToyDetector'))
        self.teacher.requires_grad_(False)

    def forward(self, x, y, mode='tensor'):
        model = self.student if mode == 'loss' else self.teacher
        return model(x, y, mode)


def test_a_teacher_follows_the_student_of_its_replica(tmp_path, monkeypatch):
    """Every third iteration of the training, of which a round has two."""
    momenta = watch(
        monkeypatch, MeanTeacherHook, 'momentum_update', lambda *_: None
    )
    table = [[1.0, 1.0], [1.0, 1.0]]
    exploration = toy.exploration(
        controller=dict(type='TableController', table=table),
        iters_per_round=2,
    )
    updates = []
    for num_rounds in (1, 2, 3):
        momenta.clear()
        runner = toy.runner(
            tmp_path / str(num_rounds),
            model=dict(toy.MODEL, detector=dict(type='StudentAndTeacher')),
            train_cfg=dict(exploration, num_rounds=num_rounds),
            custom_hooks=[
                dict(type='MeanTeacherHook', interval=3, momentum=0.5)
            ],
            default_scope='mmdet',
        )
        runner.train()
        updates.append(len(momenta))
    # At the start, and twice in the second and in the third round.
    assert updates == [1, 3, 5]
    assert_equal_replicas(tmp_path / '3')
    scores = [r['metrics'][0]['toy/score'] for r in history(tmp_path / '3')]
    assert len(set(scores)) == 3
