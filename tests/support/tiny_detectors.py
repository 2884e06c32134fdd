"""MMDetection's detectors of four families, as small as they go.

Their losses divide by a mean over the ranks (`reduce_mean`). Nothing in them
depends on how a batch is split: norms are frozen or GroupNorm, there is no
dropout.
"""

from __future__ import annotations

from tests.support import toy
from tests.support.tiny_data import dataloader
from tests.support.tiny_dense import FCOS, GFL
from tests.support.tiny_queries import DETR, FIXED_MASK2FORMER, MASK2FORMER

DETECTORS = dict(
    fcos=FCOS,
    gfl=GFL,
    detr=DETR,
    mask2former=MASK2FORMER,
    fixed_mask2former=FIXED_MASK2FORMER,
)
_MASKS = {k: rf'(d\d+\.)?loss_{k}' for k in ('cls', 'mask', 'dice')}
OBJECTIVES = dict(
    fcos={k: f'loss_{k}' for k in ('cls', 'bbox', 'centerness')},
    gfl={k: f'loss_{k}' for k in ('cls', 'bbox', 'dfl')},
    detr={k: rf'(d\d+\.)?loss_{k}' for k in ('cls', 'bbox', 'iou')},
    mask2former=_MASKS,
    fixed_mask2former=_MASKS,
)


# As in MMDetection's own configs: SGD for the dense, AdamW for the others.
_SGD = dict(
    type='OptimWrapper',
    constructor='HeadRuleOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=10.0),
)
_ADAM = dict(
    _SGD,
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    head_rule=dict(mode='grad'),
)


def exploration(**options):
    """Returns an exploration loop's config: 2 rounds of 2 replicas."""
    config = dict(
        type='ParallelExplorationLoop',
        num_rounds=2,
        controller=dict(type='AdaSegment', num_replicas=2),
        # A number that two ranks cannot divide.
        reward_dataloader=dataloader(offset=100, size=5),
        reward_evaluator=dict(type='BestOverlap'),
        reward_metric='tiny/overlap',
    )
    return {**config, **options}


def runner(name, work_dir, exploration_options=None, **options):
    """Builds a real Runner that explores one of the detectors.

    Args:
        name: Key of `DETECTORS`.
        work_dir: Its work directory.
        exploration_options: What replaces options of the loop.
        **options: Arguments of Runner that replace the defaults.
    """
    config = dict(
        model=dict(
            type='LossWeightWrapper',
            objectives=OBJECTIVES[name],
            detector=DETECTORS[name],
        ),
        train_dataloader=dataloader(),
        train_cfg=exploration(**(exploration_options or {})),
        optim_wrapper=_SGD if name in ('fcos', 'gfl') else _ADAM,
        default_scope='mmdet',
    )
    return toy.runner(work_dir, **{**config, **options})
