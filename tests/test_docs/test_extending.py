"""The examples of the page on new methods do what the page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import TASK_UTILS

from mmada.weightings import Weighting
from tests.support import toy
from tests.test_docs.pages import DOCS, read_blocks

BLOCKS = [b.text for b in read_blocks(DOCS / 'extending.md') if b.mark]
METHODS = [text for text in BLOCKS if 'mmada.testing' not in text]
TESTS = [text for text in BLOCKS if 'mmada.testing' in text]
EXAMPLES: dict[str, Any] = {}
for _text in METHODS:
    exec(_text, EXAMPLES)


def build_weighting() -> Weighting:
    return TASK_UTILS.build(dict(type='LaggardWeighting'))


@pytest.mark.slow
def test_the_suites_of_the_page_pass(tmp_path: Path) -> None:
    (tmp_path / 'my_methods.py').write_text('\n\n'.join(METHODS))
    for number, text in enumerate(TESTS):
        (tmp_path / f'test_{number}.py').write_text(text)
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-v', '-p', 'no:cacheprovider', '.'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    lines = [line for line in done.stdout.splitlines() if ' PASSED' in line]
    for name in ('CoolingSearch', 'LaggardWeighting', 'MyDetector'):
        passed = [line for line in lines if f'::Test{name}::' in line]
        assert len(passed) > 10, name


def test_the_search_cools_down() -> None:
    search = EXAMPLES['CoolingSearch'](
        num_objectives=50, num_rounds=4, num_replicas=40, sigma=0.5
    )
    spreads = []
    for _ in range(4):
        drawn = search.propose(torch.ones(50))
        spreads.append(float((drawn / search.centre).log().std()))
        search.observe(torch.arange(40.0), None)
    assert spreads == pytest.approx([0.5, 0.375, 0.25, 0.125], rel=0.05)


def test_a_loss_that_lags_gets_more_weight() -> None:
    weighting = build_weighting()
    start = torch.tensor([4.0, 1.0], dtype=torch.float64)
    assert weighting.weights(1, 3, start).tolist() == [1.0, 1.0]
    later = torch.tensor([1.0, 0.75], dtype=torch.float64)
    expected = pytest.approx([0.5, 1.5])
    assert weighting.weights(2, 3, later).tolist() == expected


def test_a_found_object_counts() -> None:
    objects = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    samples = [
        dict(
            gt_instances=dict(bboxes=objects),
            pred_instances=dict(bboxes=torch.tensor(found).reshape(-1, 4)),
        )
        for found in ([[0.0, 0, 10, 8]], [[0.0, 0, 10, 3], [0, 0, 9, 9]], [])
    ]
    evaluator = Evaluator(dict(type='ObjectRecall'))
    evaluator.process(data_samples=samples)
    found = evaluator.evaluate(len(samples))
    assert found == {'mine/recall': pytest.approx(100 * 2 / 6)}


def test_the_weighting_trains(tmp_path: Path) -> None:
    hook = dict(
        type='LossWeightingHook', weighting=dict(type='LaggardWeighting')
    )
    runner = toy.runner(
        tmp_path,
        custom_hooks=[hook],
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2),
    )
    runner.train()
    assert sum(runner.model.objective_weights.values) == pytest.approx(2.0)
    assert runner.model.objective_weights.values[0] != 1.0


def test_the_search_explores(tmp_path: Path) -> None:
    runner = toy.runner(
        tmp_path,
        train_cfg=toy.exploration(
            controller=dict(type='CoolingSearch', num_replicas=2)
        ),
    )
    runner.train()
    assert (tmp_path / 'policy.safetensors').exists()
