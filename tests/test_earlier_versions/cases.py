"""Runs whose files later versions have to resume and to read.

A kept file fits its case here, so neither a case nor the toys that it is
made of may change: a new case gets a new name.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import toy
from tests.test_engine.test_exploration import segmentor

REPO = Path(__file__).resolve().parents[2]
KEPT = Path(__file__).with_name('kept')
"""A folder a version, in it one a case."""
CUT, WHOLE = 'cut', 'whole'
"""Of a case: the work directory of a killed run, results of a whole one."""
MADE_WITH = 'made_with.json'
WEIGHTS = 'weights.safetensors'
ERROR = 'error.txt'
CALLS = 'calls.txt'

# Libraries choose code by the processor. Bits were seen to change without
# the settings of torch and MKL; the others forbid what might change them.
PINNED = dict(
    OMP_NUM_THREADS='1',
    ATEN_CPU_CAPABILITY='default',  # torch
    MKL_CBWR='COMPATIBLE',  # its matrix products
    ONEDNN_MAX_CPU_ISA='SSE41',  # its convolutions
    NPY_DISABLE_CPU_FEATURES='AVX2 FMA3 AVX512F AVX512CD AVX512_SKX '
    'AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V3 X86_V4',  # Optuna's
)
# Others of these may round otherwise.
LIBRARIES = ('torch', 'numpy', 'optuna')

EXPLORATION = 'exploration/history.jsonl'
POLICY = 'policy.safetensors'
CURVE = 'curve.json'
USED = 'weights.jsonl'


@dataclass(frozen=True)
class Case:
    """A run.

    Args:
        options: Of the runner.
        killed_at: Failpoint at which the kept run was killed.
        results: Files that both runs must leave alike.
        model: Checkpoint with the weights that both must end with.
        build: Makes the runner.
        needs: Library that is not always there.
    """

    options: dict[str, Any]
    killed_at: str
    results: tuple[str, ...]
    model: str | None = None
    build: Callable[..., Any] = field(default=toy.runner)
    needs: str | None = None

    def run(self, work_dir: str) -> None:
        """Trains, or what is left of it.

        Args:
            work_dir: Relative, since MMEngine writes it into checkpoints.
        """
        self.build(work_dir, resume=True, **self.options).train()


def search(
    killed_at: str,
    num_rounds: int = 3,
    model: str | None = 'explored.pth',
    needs: str | None = None,
    **controller: Any,
) -> Case:
    """Returns a search with a controller."""
    loop = toy.exploration(num_rounds=num_rounds, controller=controller)
    results = EXPLORATION, POLICY
    return Case(dict(train_cfg=loop), killed_at, results, model, needs=needs)


# A period of two iterations ends within an epoch of three.
HOOKS: dict[str, dict[str, Any]] = dict(
    loss=dict(
        type='LossWeightingHook',
        weighting=dict(type='DynamicWeightAverage'),
        interval=2,
    ),
    policy=dict(type='PolicyWeightingHook', interval=2),
    step=dict(
        type='StepWeightingHook',
        weighting=dict(type='Famo', lr=0.1, total=2.0),
        interval=2,
    ),
    gradient=dict(
        type='GradientWeightingHook',
        weighting=dict(type='GradNorm', alpha=1.5, lr=0.1),
        interval=2,
    ),
)


def training(hook: str, killed_at: str, **options: Any) -> Case:
    """Returns a training of three epochs, of three iterations each."""
    # With `out_dir` checkpoints name the directory that they are in by a
    # relative path.
    checkpoints = dict(type='DurableCheckpointHook', interval=1, out_dir='.')
    options = dict(
        default_hooks=dict(checkpoint=checkpoints),
        custom_hooks=[dict(type='EpochSeedHook'), HOOKS[hook]],
        **options,
    )
    return Case(options, killed_at, (USED,), 'epoch_3.pth')


# Commits: one of the pseudo epoch, one a replica, one at the end of a round.
SECOND_ROUND = 'state.before_delete:7'
SECOND_CHECKPOINT = 'checkpoint.inside_write:2'
ALGORITHM = dict(
    type='ExploreThenTrainLoop',
    exploration=toy.exploration(
        num_rounds=2, controller=dict(type='AdaSegment', num_replicas=2)
    ),
    training=dict(type='EpochBasedTrainLoop', max_epochs=3),
)

PAPER = dict(type='AdaSegment', preset='paper', num_replicas=3)
STABLE = dict(type='AdaSegment', preset='stable', num_replicas=3)

CASES = dict(
    ada_segment_paper=search(SECOND_ROUND, **PAPER),
    ada_segment_stable=search(SECOND_ROUND, **STABLE),
    shuffled_rewards=search(
        SECOND_ROUND, type='ShuffledRewards', controller=STABLE
    ),
    population_training=search(
        SECOND_ROUND, type='PopulationTraining', num_replicas=3
    ),
    slope_search=search(
        SECOND_ROUND,
        model=None,
        type='SlopeSearch',
        num_replicas=3,
        noise=0.0,
    ),
    bohb_search=search(
        'state.before_delete:17',
        num_rounds=8,
        model=None,
        needs='optuna',
        type='BohbSearch',
        num_replicas=3,
        rounds_per_training=2,
        reduction_factor=2,
    ),
    auto_seg_loss_search=Case(
        dict(train_cfg=segmentor.exploration(num_rounds=3)),
        SECOND_ROUND,
        (EXPLORATION, CURVE),
        build=segmentor.runner,
    ),
    explore_then_train=training(
        'policy', 'state.before_delete:6', train_cfg=ALGORITHM
    ),
    loss_weighting_hook=training('loss', SECOND_CHECKPOINT),
    # The first is that of the explored model.
    policy_weighting_hook=training(
        'policy', 'checkpoint.inside_write:3', train_cfg=ALGORITHM
    ),
    step_weighting_hook=training('step', SECOND_CHECKPOINT),
    gradient_weighting_hook=training('gradient', SECOND_CHECKPOINT),
)


def made_with() -> dict[str, str]:
    """Returns what the bits of a run depend on."""
    found = dict(machine=platform.machine())
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ''
    return found


def start(
    folder: Path, names: Sequence[str], **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs cases in a process of their own and waits for its end.

    Args:
        folder: With a work directory a case, of its name.
        names: Of the cases.
        **env: Additional variables of the environment.
    """
    paths = f'{REPO}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'
    return subprocess.run(
        [sys.executable, '-m', 'tests.test_earlier_versions.runs', *names],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': paths, **PINNED, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read(path: Path) -> Any:
    """Returns the content of a JSON file."""
    return json.loads(path.read_text())
