"""Runs that are killed, at each named place and at any moment."""

from __future__ import annotations

import ast
import hashlib
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

import mmada
from mmada.engine.preemption import EXIT_STATUS
from tests.support import toy
from tests.test_engine.test_state.states import good_steps
from tests.test_faults import children
from tests.test_faults.faulty_loop import PSEUDO
from tests.test_faults.marks import later

# Passed in each replica or round; the second number is for a later one.
IN_ROUNDS = {
    'explore.after_proposal': 2,
    'explore.inside_training': 17,
    'explore.after_training': 7,
    'explore.after_evaluation': 13,
    'explore.before_agreement': 4,
    'explore.after_broadcast': 2,
    'explore.after_observation': 3,
    'state.before_write': 9,
    'state.inside_write': 6,
    'state.before_manifest': 11,
    'state.inside_manifest': 3,
    'state.before_rename': 16,
    'state.before_delete': 8,
    'state.inside_delete': 5,
}
AT_THE_END = [
    'explore.before_policy',
    'checkpoint.inside_write',
    'checkpoint.before_rename',
    'policy_file.inside_write',
    'policy_file.before_rename',
    'explore.after_policy',
]
IN_RESUMES = ['state.after_read', 'explore.inside_resume']
# Of both phases: within the first, between them, within the second, where
# a third pass is the second checkpoint's: the first is the explored model's.
IN_ALGORITHM = {
    'explore.after_evaluation': 6,
    'explore.after_policy': 1,
    'checkpoint.inside_write': 3,
    'checkpoint.before_rename': 3,
    'checkpoint.before_last': 2,
    'last_checkpoint.inside_write': 2,
    'last_checkpoint.before_rename': 2,
    'checkpoint.before_delete': 1,
}
ELSEWHERE = {
    'state.inside_replace',  # only where a damaged state was passed over
    'checkpoint.inside_delete',  # only of checkpoints that are directories
    # Of hooks in an ordinary training, see test_weighting_hook.py.
    'weights_file.inside_write',
    'weights_file.before_rename',
}
QUICK = {
    'explore.inside_training',
    'explore.after_broadcast',
    'state.before_rename',
    'state.inside_delete',
    'checkpoint.before_rename',
    'policy_file.before_rename',
    'last_checkpoint.before_rename',
    'explore.inside_resume',
}
KILLED = [-signal.SIGKILL]


def sites(listed):
    """Returns names of failpoints as parameters, the slow ones marked."""
    return pytest.mark.parametrize(
        'site',
        [site if site in QUICK else later(site) for site in listed],
    )


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Work directory of an exploration that nobody disturbed."""
    work_dir = tmp_path_factory.mktemp('whole')
    children.run(work_dir)
    assert not children.redone(work_dir)
    return work_dir


@pytest.fixture(scope='module')
def whole_algorithm(tmp_path_factory):
    """Work directory of both phases, undisturbed."""
    work_dir = tmp_path_factory.mktemp('algorithm')
    children.run(work_dir, children.explore_and_train)
    return work_dir


def killed_at(work_dir, failpoint, function=children.explore):
    codes = children.finish(
        children.start(work_dir, function, failpoint=failpoint)
    )
    assert codes == KILLED, children.output(work_dir)


def named_failpoints():
    """Returns the names that the sources give to their failpoints."""
    found = set()
    for path in Path(mmada.__file__).parent.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                found |= _names(node)
    return found


def _names(call):
    function = getattr(call.func, 'id', '')
    named = [word.value for word in call.keywords if word.arg == 'site']
    texts = [
        a.value
        for a in (*call.args, *named)
        if isinstance(a, ast.Constant) and isinstance(a.value, str)
    ]
    if function in ('replace', 'write_durably'):
        return {f'{t}.{s}' for t in texts for s in WITHIN_REPLACE}
    takes = ('failpoint', 'write_synced', 'discard', 'DigestFile')
    return set(texts) if function in takes else set()


WITHIN_REPLACE = ('inside_write', 'before_rename')


def test_every_failpoint_of_the_sources_is_in_a_list_here():
    listed = {*IN_ROUNDS, *AT_THE_END, *IN_RESUMES, *IN_ALGORITHM, *ELSEWHERE}
    assert named_failpoints() == listed


@sites(IN_ROUNDS)
def test_killed_at_a_named_place_and_resumed(whole, tmp_path, site):
    killed_at(tmp_path, f'{site}:{IN_ROUNDS[site]}')
    states = tmp_path / 'exploration/states'
    assert good_steps(whole_states(states))
    children.run(tmp_path)
    children.assert_same_run(whole, tmp_path)
    assert len(children.redone(tmp_path)) <= 1
    assert not list(states.glob('tmp.*'))


def whole_states(root):
    """Returns the directory, of which leftovers are no part."""
    assert all((p / 'MANIFEST.json').exists() for p in root.glob('step_*'))
    return root


@sites(AT_THE_END)
def test_killed_while_the_results_are_written(whole, tmp_path, site):
    killed_at(tmp_path, site)
    for name in ('explored.pth', 'policy.safetensors'):
        if (tmp_path / name).exists():  # then it is whole
            compare_results(whole / name, tmp_path / name)
    children.run(tmp_path)
    children.assert_same_run(whole, tmp_path)
    assert not children.redone(tmp_path)
    assert not list(tmp_path.glob('tmp.*'))


def compare_results(first, second):
    if first.suffix == '.pth':
        toy.assert_same_state(
            children.weights(first), children.weights(second)
        )
    else:
        assert first.read_bytes() == second.read_bytes()


@sites(IN_RESUMES)
def test_killed_while_resuming_changes_nothing(whole, tmp_path, site):
    killed_at(tmp_path, 'explore.after_training:6')
    before = fingerprints(tmp_path / 'exploration/states')
    for _ in range(2):
        killed_at(tmp_path, site)
        assert fingerprints(tmp_path / 'exploration/states') == before
    children.run(tmp_path)
    children.assert_same_run(whole, tmp_path)


def test_killed_while_a_damaged_state_is_replaced(whole, tmp_path):
    killed_at(tmp_path, 'state.before_delete:5')
    states = tmp_path / 'exploration/states'
    (states / 'step_00000005/state.pt').write_bytes(b'damaged')
    killed_at(tmp_path, 'state.inside_replace')
    assert good_steps(states) == [3, 4]
    children.run(tmp_path)
    children.assert_same_run(whole, tmp_path)
    assert len(children.redone(tmp_path)) == 2


def fingerprints(root):
    """Returns time and content of all files below a directory."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in root.rglob('*')
        if path.is_file()
    }


def results(work_dir):
    """Returns the fingerprints of what a run leaves, without its logs."""
    found = fingerprints(work_dir)
    del found['exploration/status.json']  # of the process, not of the run
    mine = ('exploration/', 'explored.pth', 'policy.safetensors', 'epoch_')
    return {name: f for name, f in found.items() if name.startswith(mine)}


def test_a_finished_exploration_resumed_changes_no_file(whole, tmp_path):
    work_dir = tmp_path / 'copy'
    shutil.copytree(whole, work_dir)
    before = results(work_dir)
    assert len(before) > 6
    children.run(work_dir)
    after = results(work_dir)
    for name in ('exploration/run.lock', 'exploration/history.jsonl'):
        assert before.pop(name)[1] == after.pop(name)[1]
    assert after == before


def test_a_finished_algorithm_resumed_changes_no_file(
    whole_algorithm, tmp_path
):
    work_dir = tmp_path / 'copy'
    shutil.copytree(whole_algorithm, work_dir)
    relocate(work_dir)
    before = results(work_dir)
    assert 'epoch_3.pth' in before
    children.run(work_dir, children.explore_and_train)
    assert results(work_dir) == before


def relocate(work_dir):
    """Lets a copied run go on from its own checkpoint."""
    pointer = work_dir / 'last_checkpoint'
    name = Path(pointer.read_text()).name
    pointer.write_text(str(work_dir / name))


def assert_same_algorithm(first, second):
    children.assert_same_run(first, second)
    compare_results(first / 'epoch_3.pth', second / 'epoch_3.pth')
    weights = [d / 'weights.jsonl' for d in (first, second)]
    assert weights[0].read_text() == weights[1].read_text()


@sites(IN_ALGORITHM)
def test_the_algorithm_killed_at_a_named_place(
    whole_algorithm, tmp_path, site
):
    failpoint = f'{site}:{IN_ALGORITHM[site]}'
    killed_at(tmp_path, failpoint, children.explore_and_train)
    children.run(tmp_path, children.explore_and_train)
    assert_same_algorithm(whole_algorithm, tmp_path)
    assert [p.name for p in tmp_path.glob('epoch_*')] == ['epoch_3.pth']


def terminated(work_dir, **options):
    codes = children.finish(children.start(work_dir, **options))
    assert codes == [EXIT_STATUS] == [75], children.output(work_dir)
    assert not list(work_dir.rglob('tmp.*'))
    assert not (work_dir / 'policy.safetensors').exists()
    return good_steps(work_dir / 'exploration/states')


def test_sigterm_inside_a_segment_ends_with_a_status_of_its_own(
    whole, tmp_path
):
    fault = dict(kind='term', round=1, replica=2)
    # Commits: the pseudo epoch, five of the first round, two replicas.
    assert terminated(tmp_path, faults=[fault]) == [7, 8]
    children.run(tmp_path)
    children.assert_same_run(whole, tmp_path)
    assert len(children.redone(tmp_path)) == 1


@pytest.mark.faults
@pytest.mark.parametrize(
    ('options', 'steps'),
    [
        (dict(faults=[dict(kind='term', round=PSEUDO, replica=0)]), []),
        (dict(faults=[dict(kind='term', replica=2, at='evaluation')]), [2, 3]),
        (dict(commit_fault=('term', 5)), [4, 5]),
    ],
)
def test_sigterm_elsewhere(whole, tmp_path, options, steps):
    assert terminated(tmp_path, **options) == steps
    children.run(tmp_path)
    children.assert_same_run(whole, tmp_path)


def length(work_dir, function):
    """Returns the seconds that an undisturbed run takes from fork to end."""
    began = time.monotonic()
    children.run(work_dir, function)
    return time.monotonic() - began


def kill_at_random(work_dir, function, seconds, generator, number):
    """Kills a run after a random part of its time, unless it is over.

    Returns:
        Whether it was killed.
    """
    (child,) = children.start(work_dir, function)
    child.join(generator.uniform(0, seconds))
    if child.exitcode is None:
        os.kill(child.pid, number)
    (code,) = children.finish([child])
    if code == 0:
        return False
    # Between two segments SIGTERM ends a run at once.
    allowed = [-number] + [EXIT_STATUS] * (number == signal.SIGTERM)
    assert code in allowed, children.output(work_dir)
    return True


@pytest.mark.faults
@pytest.mark.parametrize('site', IN_ROUNDS)
def test_killed_at_a_place_again_and_again(whole, tmp_path, site):
    kills = 0
    for count in (1, 2, 5):
        codes = children.finish(
            children.start(tmp_path, failpoint=f'{site}:{count}')
        )
        kills += codes == KILLED
    assert kills >= 2
    children.run(tmp_path)
    children.assert_same_run(whole, tmp_path)
    assert len(children.redone(tmp_path)) <= kills


@pytest.mark.faults
@pytest.mark.parametrize(
    ('number', 'wanted'), [(signal.SIGKILL, 50), (signal.SIGTERM, 15)]
)
def test_killed_at_random_moments(whole, tmp_path, number, wanted):
    """Up to three times in a row, then resumed."""
    generator = random.Random(int(number))
    seconds = length(tmp_path / 'measured', children.explore)
    kills = runs = 0
    while kills < wanted:
        runs += 1
        work_dir = tmp_path / str(runs)
        own = sum(
            kill_at_random(
                work_dir, children.explore, seconds, generator, number
            )
            for _ in range(generator.choice((1, 1, 2, 3)))
        )
        children.run(work_dir)
        children.assert_same_run(whole, work_dir)
        assert len(children.redone(work_dir)) <= own
        kills += own
        shutil.rmtree(work_dir)
    assert runs <= 2 * wanted


@pytest.mark.faults
def test_the_whole_algorithm_killed_at_random_moments(
    whole_algorithm, tmp_path
):
    generator = random.Random(5)
    function = children.explore_and_train
    seconds = length(tmp_path / 'measured', function)
    kills = runs = 0
    while kills < 24:
        runs += 1
        work_dir = tmp_path / str(runs)
        for _ in range(2):
            kills += kill_at_random(
                work_dir, function, seconds, generator, signal.SIGKILL
            )
        children.run(work_dir, function)
        assert_same_algorithm(whole_algorithm, work_dir)
        shutil.rmtree(work_dir)
    assert runs <= 60
