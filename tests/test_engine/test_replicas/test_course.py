"""Counters and hooks inside of segments, on a real Runner."""

import json

import pytest
from mmengine.hooks import EMAHook, Hook, LoggerHook
from mmengine.logging import MessageHub
from mmengine.registry import DATASETS, HOOKS, MODELS
from torch.utils.data import DataLoader

from mmada.engine.replicas.course import Course
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.engine.state import StateStore
from tests.support import toy
from tests.test_engine.test_loops import (
    test_parallel_exploration_loop,  # noqa: F401  registers a controller
)

NAMES = ('epoch', 'iter', 'max_epochs', 'max_iters')
seen: list = []
calls: list = []
ONES = dict(type='TableController', table=[[1.0, 1.0]] * 2)


@pytest.fixture(autouse=True)
def nothing_seen():
    seen.clear()
    calls.clear()


@MODELS.register_module()
class AskingDetector(toy.ToyDetector):
    """Notes what MessageHub says in each call of its loss."""

    def forward(self, x, y, mode='tensor'):
        if mode == 'loss':
            hub = MessageHub.get_current_instance()
            seen.append(tuple(hub.get_info(name) for name in NAMES))
        return super().forward(x, y, mode)


MODEL = dict(toy.MODEL, detector=dict(type='AskingDetector'))


class Noting(Hook):
    """Notes each call, with the counters of the runner."""

    def note(self, runner, name, batch_idx=None):
        index = () if batch_idx is None else (batch_idx,)
        calls.append((name, runner.epoch, runner.iter, *index))

    def before_train_epoch(self, runner):
        self.note(runner, 'epoch')

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.note(runner, 'iter', batch_idx)

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        assert outputs['loss'].item() > 0
        assert len(data_batch['x']) == 4
        self.note(runner, 'end of iter', batch_idx)

    def after_train_epoch(self, runner):
        self.note(runner, 'end of epoch')


@HOOKS.register_module()
class StatefulHook(Noting):
    in_replicas = 'stateful'


@HOOKS.register_module()
class ResumedHook(Noting):
    in_replicas = 'resumed'


@HOOKS.register_module()
class SilentHook(Noting):
    in_replicas = 'silent'


@HOOKS.register_module()
class UndeclaredHook(Noting):
    pass


@HOOKS.register_module()
class WrongHook(Noting):
    in_replicas = 'acting'


def explore(work_dir, hooks=(), then_train=False, **options):
    search = toy.exploration(controller=ONES, **options)
    training = dict(by_epoch=True, max_epochs=1)
    both = dict(
        type='ExploreThenTrainLoop', exploration=search, training=training
    )
    runner = toy.runner(
        work_dir,
        model=MODEL,
        train_cfg=both if then_train else search,
        custom_hooks=[
            dict(type=name)
            for name in (*hooks, *['PolicyWeightingHook'] * then_train)
        ],
    )
    runner.train()
    return runner


def segment(first, count=4, length=3, most=12):
    """Returns what a head is to see in a segment of an epoch of three."""
    epochs = -(-most // length)
    return [
        (i // length, i, epochs, most) for i in range(first, first + count)
    ]


@pytest.mark.parametrize('then_train', [False, True])
def test_a_head_sees_the_counters_of_its_own_training(tmp_path, then_train):
    """A probe, the pseudo epoch, then twice each segment of four."""
    runner = explore(tmp_path, then_train=then_train, iters_per_round=4)
    expected = segment(0, 1) + segment(0)
    for first in (0, 4, 8):
        expected += segment(first) * 2
    assert seen[: len(expected)] == expected
    # The hook that uses the policy looks at the model again.
    training = segment(0, 1, most=3) + segment(0, 3, most=3)
    assert seen[len(expected) :] == (training if then_train else [])
    assert (runner.iter, runner.epoch) == ((3, 1) if then_train else (12, 4))


def test_a_training_from_the_start_begins_at_its_first_epoch(tmp_path):
    """Whatever number its data have."""
    controller = dict(type='RandomSearch', num_replicas=1)
    config = toy.exploration(controller=controller, iters_per_round=4)
    toy.runner(tmp_path, model=MODEL, train_cfg=config).train()
    assert seen == segment(0, 1, most=4) + segment(0, most=4) * 4


def test_hooks_are_called_where_epochs_begin_and_end(tmp_path):
    explore(tmp_path, ['StatefulHook'], num_rounds=2, iters_per_round=4)
    first = [
        ('epoch', 0, 0),
        *_iteration(0, 0),
        *_iteration(0, 1),
        *_iteration(0, 2),
        ('end of epoch', 0, 3),
        ('epoch', 1, 3),
        *_iteration(1, 3),
    ]
    second = [
        *_iteration(1, 4),
        *_iteration(1, 5),
        ('end of epoch', 1, 6),
        ('epoch', 2, 6),
        *_iteration(2, 6),
        *_iteration(2, 7),
    ]
    probe = [('epoch', 0, 0)]
    assert calls == probe + first * 3 + second * 2


def _iteration(epoch, number):
    return [
        ('iter', epoch, number, number % 3),
        ('end of iter', epoch, number, number % 3),
    ]


def test_a_resumed_hook_begins_amid_an_epoch_as_well(tmp_path):
    explore(tmp_path, ['ResumedHook'], num_rounds=2, iters_per_round=4)
    begins = [call for call in calls if call[0] == 'epoch']
    probe, first = [('epoch', 0, 0)], [('epoch', 0, 0), ('epoch', 1, 3)]
    second = [('epoch', 1, 4), ('epoch', 2, 6)]
    assert begins == probe + first * 3 + second * 2


def test_a_hook_that_is_silent_is_not_called(tmp_path):
    explore(tmp_path, ['SilentHook'], num_rounds=1)
    assert calls == []


@pytest.mark.parametrize('then_train', [False, True])
@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('UndeclaredHook', 'Found UndeclaredHook.*`in_replicas`'),
        ('WrongHook', "`WrongHook.in_replicas`.*'silent'.*'acting'"),
    ],
)
def test_what_a_hook_does_in_replicas_has_to_be_known(
    tmp_path, name, message, then_train
):
    with pytest.raises(ValueError, match=message):
        explore(tmp_path, [name], then_train=then_train)
    assert seen == []


@HOOKS.register_module()
class LearningHook(Hook):
    """Changes itself and the model in each iteration."""

    in_replicas = 'stateful'

    def __init__(self):
        self.total = 0.0
        self.rows = []

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        self.total += outputs['loss'].item()
        self.rows.append(round(self.total, 3))
        runner.model.head_a.bias.data += 0.01 * self.total


@HOOKS.register_module()
class NamedEMAHook(EMAHook):
    """As its parent, a class that is known."""


@DATASETS.register_module()
class SwitchedDataset(toy.ToyDataset):
    """Rows that are turned round after a switch."""

    sign = 1.0

    def __getitem__(self, index):
        row = super().__getitem__(index)
        return dict(row, x=row['x'] * self.sign)


@HOOKS.register_module()
class SwitchHook(Hook):
    """Switches the data from the second epoch on."""

    in_replicas = 'resumed'

    def __init__(self):
        self.switched = False

    def before_train_epoch(self, runner):
        if runner.epoch >= 1 and not self.switched:
            runner.train_dataloader.dataset.sign = -1.0
            self.switched = True


def rounds(work_dir, hook, workers=0, **options):
    data = toy.dataloader()
    data['dataset']['type'] = 'SwitchedDataset'
    runner = toy.runner(
        work_dir,
        train_dataloader=dict(data, num_workers=workers),
        train_cfg=toy.exploration(controller=ONES, iters_per_round=4),
        custom_hooks=[dict(type=hook)],
        **options,
    )
    runner.train()
    return runner, [r['metrics'] for r in history(work_dir)]


def history(work_dir):
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


HOOKS_THAT_ACT = ['LearningHook', 'SwitchHook', 'EMAHook', 'NamedEMAHook']


@pytest.mark.parametrize('hook', HOOKS_THAT_ACT)
def test_equal_weights_give_equal_metrics(tmp_path, hook):
    """The second replica finds nothing of the first."""
    _, plain = rounds(tmp_path / 'plain', 'SilentHook')
    _, found = rounds(tmp_path / 'hook', hook)
    assert all(first == second for first, second in found)
    assert found != plain


@pytest.mark.parametrize('hook', ['LearningHook', 'SwitchHook', 'EMAHook'])
@pytest.mark.parametrize('commit', [2, 5])
def test_killed_and_resumed_gives_the_same_digest(
    tmp_path, hook, commit, monkeypatch
):
    rounds(tmp_path / 'whole', hook)
    stop_after(monkeypatch, commit)
    with pytest.raises(KeyboardInterrupt):
        rounds(tmp_path / 'killed', hook)
    monkeypatch.undo()
    rounds(tmp_path / 'killed', hook, resume=True)
    whole, killed = (
        [record['digest'] for record in history(tmp_path / name)]
        for name in ('whole', 'killed')
    )
    assert len(whole) == 3
    assert killed == whole


def stop_after(monkeypatch, commit):
    plain = StateStore.commit

    def stopping(self, step, *content):
        path = plain(self, step, *content)
        if step == commit:
            raise KeyboardInterrupt
        return path

    monkeypatch.setattr(StateStore, 'commit', stopping)


@pytest.mark.parametrize('workers', [0, 2])
def test_workers_see_the_data_of_a_switch(tmp_path, workers):
    """The turned data are those of a training that was switched."""
    _, found = rounds(tmp_path / 'a', 'SwitchHook', workers)
    _, again = rounds(tmp_path / 'b', 'SwitchHook', 0)
    assert found == again


def test_a_state_of_a_hook_goes_on_with_its_replica(tmp_path):
    """Nine of twelve rows are of the course's earlier rounds."""
    runner, _ = rounds(tmp_path, 'LearningHook')
    (hook,) = [h for h in runner.hooks if isinstance(h, LearningHook)]
    assert len(hook.rows) == 12
    assert hook.rows == sorted(hook.rows)


@HOOKS.register_module()
class ActingLoggerHook(LoggerHook):
    """As its parent, which is silent, but changes the model."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        runner.model.head_a.bias.data += 1


@HOOKS.register_module()
class ValidatingHook(Hook):
    """Changes what a validation measures."""

    def before_val_epoch(self, runner):
        runner.model.head_a.bias.data += 1


@pytest.mark.parametrize('name', ['ActingLoggerHook', 'ValidatingHook'])
def test_a_hook_that_would_be_left_out_is_named(tmp_path, name):
    with pytest.raises(ValueError, match=f'Found {name}'):
        explore(tmp_path, [name])


def test_data_that_are_shared_with_the_training_are_put_back(tmp_path):
    dataset = SwitchedDataset()
    data = DataLoader(dataset, batch_size=4, shuffle=True)
    runner = toy.runner(tmp_path, custom_hooks=[dict(type='SwitchHook')])
    course = Course(runner, SegmentLoader(data, 4, seed=0))
    with course.at(3):
        course.before_batches(3)
        assert dataset.sign == -1
    assert dataset.sign == 1
