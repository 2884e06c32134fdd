"""A monitor shows each phase and how a run ended."""

import json
import os
import pty
import re
import select
import signal

import pytest
from mmengine.hooks import Hook

from mmada.engine.monitor import status as status_file
from mmada.engine.monitor.monitor import scalar_name
from mmada.engine.preemption import Preempted
from mmada.engine.state import RunLock
from tests.support import processes, toy
from tests.test_engine.test_loops import explore_worker


def show(work_dir):
    """Runs the whole algorithm and shows it, in a process of its own."""
    toy.runner(
        work_dir,
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(log_interval=1),
            training=dict(type='EpochBasedTrainLoop', max_epochs=2),
        ),
        custom_hooks=[dict(type='PolicyWeightingHook')],
        log_level='INFO',
    ).train()


class Watch(Hook):
    """Reads the status where a hook is called; raises an error once."""

    in_replicas = 'silent'

    def __init__(self, work_dir, error=None, at=None):
        self.path = work_dir / 'exploration/status.json'
        self.error, self.at = error, at
        self.seen = []

    def look(self, place):
        found = json.loads(self.path.read_text())
        self.seen.append((place, found))
        if place == self.at:
            raise self.error

    def before_train(self, runner):
        if self.at == 'start':
            self.look('start')

    def after_exploration_round(self, runner, record):
        self.look(f'round {record["round"]}')

    def after_train_iter(self, runner, batch_idx, **_):
        self.look(f'iter {runner.iter}')


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(status_file, '_SECONDS', 0.0)


def explore_and_train(work_dir, resume=False, error=None, at=None, **options):
    runner = toy.runner(
        work_dir,
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(num_rounds=2, **options),
            training=dict(
                type='EpochBasedTrainLoop', max_epochs=2, val_interval=1
            ),
        ),
        val_dataloader=toy.dataloader(offset=1, shuffle=False),
        val_evaluator=dict(type='ToyMetric'),
        val_cfg=dict(),
        custom_hooks=[dict(type='PolicyWeightingHook')],
        resume=resume,
    )
    watch = Watch(work_dir, error, at)
    runner.register_hook(watch)
    try:
        runner.train()
    finally:
        end = json.loads(watch.path.read_text())
    return runner, dict(watch.seen), end


def status(work_dir):
    return json.loads((work_dir / 'exploration/status.json').read_text())


def history(work_dir):
    lines = (work_dir / 'exploration/history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_status_of_both_phases(tmp_path):
    _, seen, end = explore_and_train(tmp_path)
    scores = [r['metrics'][r['best']]['toy/score'] for r in history(tmp_path)]
    second = seen['round 2']
    expected = dict(
        phase='exploring',
        search='exploration',
        round=2,
        num_rounds=2,
        replicas=[4],
        num_replicas=4,
        iteration=3,
        num_iterations=3,
        metric='toy/score',
        best_metric=max(scores),
        progress=1.0,
        epoch=None,
        error=None,
    )
    assert {key: second[key] for key in expected} == expected
    assert second['seconds_left'] >= 0
    trained = seen['iter 4']  # before it is counted
    expected = dict(
        phase='training',
        round=None,
        replicas=[],
        iteration=4,
        num_iterations=6,
        epoch=2,
        num_epochs=2,
    )
    assert {key: trained[key] for key in expected} == expected
    assert end['phase'] == 'finished'
    assert (end['iteration'], end['progress']) == (6, 1.0)
    assert end['best_metric'] < 0
    assert end['seconds_left'] is None


@pytest.mark.parametrize(
    ('error', 'at', 'expected'),
    [
        (
            RuntimeError('the disk\nis full'),
            'round 1',
            ('failed', 'RuntimeError: the disk'),
        ),
        (ValueError(), 'iter 2', ('failed', 'ValueError')),
        (KeyboardInterrupt(), 'iter 2', ('stopped', None)),
        (Preempted(), 'round 1', ('stopped', None)),
    ],
)
def test_an_ended_run_says_how_and_a_resume_forgets_it(
    tmp_path, error, at, expected
):
    with pytest.raises(type(error)):
        explore_and_train(tmp_path, error=error, at=at)
    end = status(tmp_path)
    assert (end['phase'], end['error']) == expected
    assert end['round' if 'round' in at else 'epoch'] == 1
    _, seen, end = explore_and_train(tmp_path, resume=True)
    assert (end['phase'], end['error']) == ('finished', None)
    first = next(iter(seen.values()))
    assert (first['phase'], first['error']) != expected


def test_an_exploration_alone_that_cannot_begin(tmp_path):
    runner = toy.runner(
        tmp_path, train_cfg=toy.exploration(reward_metric='none')
    )
    with pytest.raises(ValueError, match='reward_metric'):
        runner.train()
    found = status(tmp_path)
    assert found['phase'] == 'failed'
    assert found['error'].startswith('ValueError: `reward_metric` ')


def test_a_resumed_training_that_cannot_begin(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        explore_and_train(tmp_path, error=KeyboardInterrupt(), at='iter 4')
    with pytest.raises(ValueError):
        explore_and_train(tmp_path, True, ValueError('no weights'), 'start')
    found = status(tmp_path)
    assert found['phase'] == 'failed'
    assert found['error'] == 'ValueError: no weights'


def test_a_run_that_finds_the_directory_in_use_leaves_the_status(tmp_path):
    path = tmp_path / 'exploration/status.json'
    with RunLock(tmp_path / 'exploration'):
        path.write_text('of another')
        with pytest.raises(RuntimeError):
            toy.runner(tmp_path, train_cfg=toy.exploration()).train()
    assert path.read_text() == 'of another'


def test_a_status_that_cannot_be_written_ends_nothing(tmp_path):
    (tmp_path / 'exploration/status.json').mkdir(parents=True)
    toy.runner(tmp_path, train_cfg=toy.exploration(num_rounds=1)).train()
    assert (tmp_path / 'policy.safetensors').exists()
    assert (tmp_path / 'exploration/status.json').is_dir()


def test_a_killed_run_in_a_file_is_plain_text_and_a_resume_its_own(tmp_path):
    env = dict(MMADA_FAILPOINT='explore.inside_training:20')
    codes, (text,) = processes.finish(
        processes.start(show, 1, tmp_path, env=env)
    )
    assert codes == [-signal.SIGKILL]
    assert 'round 1/3 | replica 4/4 | iter 3/3' in text
    assert not {c for c in text if ord(c) < 32} - {'\n'}
    killed = status(tmp_path)
    assert killed['phase'] == 'exploring'  # and no such process
    assert killed['pid'] != os.getpid()
    toy.runner(tmp_path, train_cfg=toy.exploration(), resume=True).train()
    assert status(tmp_path)['pid'] == os.getpid()
    assert status(tmp_path)['phase'] == 'finished'


def test_two_ranks_write_one_status(tmp_path):
    processes.run(explore_worker.explore, 2, tmp_path, num_rounds=1)
    found = status(tmp_path)
    assert found['ranks'] == 2
    assert found['replicas'] == [3, 4]
    assert found['phase'] == 'finished'


def under_a_terminal(function, *args):
    """Returns what a function writes to a terminal of its own."""
    main, child = pty.openpty()
    (process,) = processes.start(
        function,
        1,
        *args,
        env=dict(TERM='xterm', COLUMNS='200'),
        output=os.ttyname(child),
    )
    # Keeps the terminal open until the process has opened it.
    while process.is_alive() and not select.select([main], [], [], 0.1)[0]:
        pass
    os.close(child)
    chunks = []
    while True:
        try:
            chunk = os.read(main, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(main)
    process.join()
    text = b''.join(chunks).decode()
    assert process.exitcode == 0, text
    return text


def test_a_terminal_shows_bars_in_place_of_progress_lines(tmp_path):
    text = under_a_terminal(show, tmp_path)
    lines = text.split('\r\n')
    assert '\x1b[Kpseudo epoch [' in text
    assert '\x1b[Kexploring [' in text
    assert '\x1b[Ktraining [' in text
    # Bars show iterations too; only a progress line has a bar before them.
    assert not re.search(r'replica \d/\d \| iter', text)
    # A bar is taken away before anything else is written.
    for line in lines:
        assert not re.search(r'\[[#.]{20}\]', line.rpartition('\x1b[K')[2])
    (log,) = tmp_path.glob('*/*.log')
    assert 'round 1/3 | replica 4/4 | iter 3/3' in log.read_text()
    assert '\x1b' not in log.read_text()


# As mlflow.utils.validation has them.
MLFLOW = re.compile(r'^[/\w.\- ]*$')


@pytest.mark.parametrize(
    ('parts', 'expected'),
    [
        (('weights', 's0.loss_cls'), 'weights/s0.loss_cls'),
        (('weights', 'box+mask'), 'weights/box_mask'),
        (('weights', 'Größe (m)'), 'weights/Gr__e _m_'),
        (('weights', 'a//b/'), 'weights/a._.b._'),
        (('weights', '../x'), 'weights/_.x'),
        (('a/b', 'weights', 'x'), 'a/b/weights.x'),
        (('weights', ''), 'weights/_'),
    ],
)
def test_names_hold_what_all_backends_take(parts, expected):
    assert scalar_name(*parts) == expected
    assert MLFLOW.match(expected)
