"""Faults inside one replica: what becomes of it and of the others."""

from __future__ import annotations

import gc
import json
import math
import weakref
from pathlib import Path

import pytest
import torch

from mmada.engine.exploration.reporter import ExplorationReporter
from mmada.evaluation import PanopticQuality
from tests.support import toy
from tests.test_evaluation import test_panoptic_quality as quality
from tests.test_faults import children, faulty_loop
from tests.test_faults.marks import later

tiny = quality.tiny
ONE = dict(num_rounds=1)


@pytest.fixture(scope='module')
def sound(tmp_path_factory):
    """Work directory of one round without a fault."""
    work_dir = tmp_path_factory.mktemp('sound')
    children.run(work_dir, **ONE)
    return work_dir


def records(work_dir):
    return [
        json.loads(line)
        for line in children.history(work_dir).split(b'\n')
        if line
    ]


def assert_only_replica_1_is_out(work_dir, sound):
    (record,), (expected,) = records(work_dir), records(sound)
    assert record['metrics'][1] == {} != expected['metrics'][1]
    assert record['rewards'][1] == -1
    assert record['best'] != 1
    for found in (record, expected):
        del found['metrics'][1]
    assert record['metrics'] == expected['metrics']
    assert record['weights'] == expected['weights']


@pytest.mark.parametrize(
    'kind', [later('parameter'), later('infinite'), 'buffer']
)
def test_weights_that_break_after_the_last_loss_are_not_scored(
    sound, tmp_path, kind
):
    """The loss of each of the three iterations is finite."""
    faults = [
        dict(kind=kind, at=3),
        dict(kind='error', at='evaluation', times=9),  # is not reached
    ]
    children.run(tmp_path, faults=faults, **ONE)
    assert_only_replica_1_is_out(tmp_path, sound)
    explored = children.weights(tmp_path / 'explored.pth')
    assert all(bool(torch.isfinite(t).all()) for t in explored.values())


@pytest.mark.parametrize(
    'fault',
    [
        dict(kind='memory'),
        later(dict(kind='error')),
        later(dict(kind='memory', at='evaluation')),
        dict(kind='error', at='evaluation'),
    ],
)
def test_a_segment_that_fails_once_is_done_again(sound, tmp_path, fault):
    children.run(tmp_path, faults=[fault], **ONE)
    children.assert_same_run(sound, tmp_path)
    assert children.redone(tmp_path) == [['0', '1']]
    assert 'its segment is done again' in children.output(tmp_path)


@pytest.mark.parametrize('at', [later(2), 'evaluation'])
def test_no_memory_twice_counts_as_diverged(sound, tmp_path, at):
    fault = dict(kind='memory', at=at, times=2)
    children.run(tmp_path, faults=[fault], **ONE)
    assert_only_replica_1_is_out(tmp_path, sound)
    assert children.redone(tmp_path) == [['0', '1']]
    assert 'ran out of memory again' in children.output(tmp_path)


@pytest.mark.parametrize('at', [later(1), 'evaluation'])
def test_an_error_twice_ends_the_run_with_its_traceback(sound, tmp_path, at):
    fault = dict(kind='error', at=at, times=2)
    codes = children.finish(children.start(tmp_path, faults=[fault], **ONE))
    assert codes == [1]
    text = children.output(tmp_path)
    end = text[text.index('ReplicaError: ') :]
    assert 'Replica 2 of round 1 failed 2 times. What is committed' in end
    assert 'in _strike' in end and 'ZeroDivisionError: by a test' in end
    # The fault removed, the run goes on from replica 1.
    children.run(tmp_path, **ONE)
    children.assert_same_run(sound, tmp_path)
    assert children.redone(tmp_path) == [['0', '1']] * 2


@pytest.mark.faults
def test_the_pseudo_epoch_has_no_second_attempt(tmp_path):
    fault = dict(kind='error', round=faulty_loop.PSEUDO, replica=0)
    codes = children.finish(children.start(tmp_path, faults=[fault], **ONE))
    assert codes == [1]
    text = children.output(tmp_path)
    assert 'ReplicaError: The pseudo epoch failed.' in text
    assert 'ZeroDivisionError: by a test' in text


@pytest.mark.faults
def test_a_killed_dataloader_worker_costs_a_segment(tmp_path):
    # Of twelve batches, a worker has prepared three at the most.
    options = dict(
        ONE,
        iters_per_round=12,
        dataloader=dict(toy.dataloader(), num_workers=1),
    )
    children.run(tmp_path / 'sound', **options)
    fault = dict(kind='worker', at=1)
    children.run(tmp_path / 'faulty', faults=[fault], **options)
    children.assert_same_run(tmp_path / 'sound', tmp_path / 'faulty')
    assert children.redone(tmp_path / 'faulty') == [['0', '1']]
    text = children.output(tmp_path / 'faulty')
    assert 'exited unexpectedly' in text or 'killed by signal' in text


class Held:
    """What a frame of a failed segment holds."""


def test_a_failed_segment_leaves_no_gradient_and_no_frame(
    tmp_path, monkeypatch
):
    references, seen = [], []

    def fail(fault, module):
        held = Held()
        references.append(weakref.ref(held))
        assert any(p.grad is not None for p in module.parameters())
        raise torch.OutOfMemoryError

    def retried(self, state, replica, error):
        gradients = [p.grad for p in self.runner.model.parameters()]
        seen.append((gradients, references[-1]()))

    monkeypatch.setitem(faulty_loop.HARM, 'memory', fail)
    monkeypatch.setattr(ExplorationReporter, 'retried', retried)
    gc.disable()  # what is freed is freed by the runner
    try:
        children.explore(tmp_path, faults=[dict(kind='memory')], **ONE)
    finally:
        gc.enable()
    ((gradients, held),) = seen
    assert gradients == [None] * len(gradients)
    assert held is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_no_memory_of_an_accelerator(tmp_path, monkeypatch):
    def allocate(fault, module):
        torch.empty(2**48, dtype=torch.uint8, device='cuda')

    monkeypatch.setitem(faulty_loop.HARM, 'memory', allocate)
    children.explore(tmp_path / 'sound', **ONE)
    before = torch.cuda.memory_allocated()
    for times in (1, 2):
        children.explore(
            tmp_path / str(times),
            faults=[dict(kind='memory', times=times)],
            **ONE,
        )
        assert torch.cuda.memory_allocated() <= before * 1.02
    assert_only_replica_1_is_out(tmp_path / '2', tmp_path / 'sound')


@pytest.mark.parametrize(
    ('kept', 'present', 'absent'), [(0, 'th', 'st'), (-1, 'st', 'th')]
)
def test_quality_over_a_set_without_things_or_without_stuff(
    tiny, kept, present, absent
):
    paths = tiny()
    content = json.loads(Path(paths['ann_file']).read_text())
    (annotation,) = content['annotations']
    (segment,) = annotation['segments_info'][kept:][:1]
    annotation['segments_info'] = [segment]
    Path(paths['ann_file']).write_text(json.dumps(content))
    row = [1000, 1000, 3, 3] if present == 'th' else [3, 3, 2, 3]
    found = quality.evaluate(
        PanopticQuality(**paths), [quality.tiny_sample(*row)], quality.CLASSES
    )
    assert found[f'coco_panoptic/PQ_{present}'] == 100
    assert found['coco_panoptic/PQ'] == 100
    assert math.isnan(found[f'coco_panoptic/PQ_{absent}'])
