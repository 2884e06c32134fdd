"""Pictures of a search in visual backends, as its rounds go on."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger

from mmada.visualization import ExplorationFigureHook
from tests.support import toy

accumulator = pytest.importorskip(
    'tensorboard.backend.event_processing.event_accumulator'
)


def explore(work_dir, backend, hook=None, **options):
    runner = toy.runner(
        work_dir,
        train_cfg=toy.exploration(**options),
        custom_hooks=[hook or dict(type='ExplorationFigureHook')],
        visualizer=dict(type='Visualizer', vis_backends=[dict(type=backend)]),
        log_level='WARNING',
    )
    runner.train()
    runner.visualizer.close()
    return runner


def test_tensorboard_has_what_the_history_has(tmp_path):
    explore(tmp_path, 'TensorboardVisBackend')
    (events,) = tmp_path.glob('*/vis_data/events.out.tfevents*')
    found = accumulator.EventAccumulator(str(events))
    found.Reload()
    path = tmp_path / 'exploration/history.jsonl'
    records = [json.loads(line) for line in path.read_text().splitlines()]

    def scalars(name):
        events = found.Scalars(f'exploration/{name}')
        assert [e.step for e in events] == [1, 2, 3]
        return pytest.approx([e.value for e in events], rel=1e-6)

    winners = [record['best'] for record in records]
    assert winners == scalars('winner')
    for k in range(4):
        rewards = [record['rewards'][k] for record in records]
        assert rewards == scalars(f'reward.replica{k}')
        metrics = [record['metrics'][k]['toy/score'] for record in records]
        assert metrics == scalars(f'metric.replica{k}')
    for i, name in enumerate('ab'):
        weights = [record['weights'][record['best']][i] for record in records]
        assert weights == scalars(f'weights.{name}')
    images = found.Images('exploration_weights.png')
    assert [image.step for image in images] == [1, 2, 3]
    pixels = [
        cv2.imdecode(
            np.frombuffer(image.encoded_image_string, np.uint8),
            cv2.IMREAD_COLOR,
        )
        for image in images
    ]
    assert {p.shape for p in pixels} == {(400, 900, 3)}
    assert all(p.std() > 10 for p in pixels)
    assert not np.array_equal(pixels[0], pixels[2])  # more rounds are drawn


def test_local_files_of_every_second_round(tmp_path):
    hook = dict(type='ExplorationFigureHook', interval=2)
    explore(tmp_path, 'LocalVisBackend', hook, num_rounds=4)
    names = [p.name for p in tmp_path.glob('*/vis_data/vis_image/*')]
    assert sorted(names) == [
        'exploration_weights.png_2.png',
        'exploration_weights.png_4.png',
    ]


def test_what_cannot_be_drawn_is_logged_once(tmp_path, monkeypatch):
    messages = []
    monkeypatch.setattr(
        MMLogger,
        'callHandlers',
        lambda self, record: messages.append(record.getMessage()),
    )

    def broken(*args, **options):
        raise ValueError('no weights here')

    monkeypatch.setattr(
        'mmada.visualization.exploration_figure_hook.weights_figure', broken
    )
    explore(tmp_path, 'LocalVisBackend')
    complaints = [m for m in messages if 'No picture' in m]
    assert complaints == ['No picture of the search: no weights here']
    assert (tmp_path / 'policy.safetensors').exists()


def test_an_interval_that_is_none():
    with pytest.raises(ValueError, match='`interval` .* Found 0'):
        ExplorationFigureHook(interval=0)
