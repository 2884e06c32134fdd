import os
from pathlib import Path

import pytest
import torch
from mmengine.fileio import LocalBackend, register_backend

from mmada.engine import find_latest_checkpoint
from mmada.engine.checkpoints import DurableBackend, checkpoint_problem
from tests.support import toy
from tests.test_engine.test_state.states import killed_at

BEST = dict(save_best='toy/score', rule='greater')
VALIDATION = dict(
    train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=4),
    val_dataloader=toy.dataloader(offset=1, shuffle=False),
    val_evaluator=dict(type='ToyMetric'),
    val_cfg=dict(type='ValLoop'),
)
# In each epoch: the checkpoint, last_checkpoint, an old one goes; then the
# best one, the checkpoint again with its name, last_checkpoint, the old best
# one goes.
SITES = [
    'checkpoint.inside_write',
    'checkpoint.inside_write:2',
    'checkpoint.inside_write:4',
    'checkpoint.inside_write:5',
    'checkpoint.inside_write:6',
    'checkpoint.before_rename:4',
    'checkpoint.before_rename:6',
    'checkpoint.before_last',
    'checkpoint.before_last:3',
    'checkpoint.before_last:4',
    'last_checkpoint.inside_write:3',
    'last_checkpoint.before_rename:3',
    'last_checkpoint.before_rename:4',
    'checkpoint.before_delete',
    'checkpoint.before_delete:3',
]

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='forked children cannot use CUDA'
)


def build(work_dir, hook='DurableCheckpointHook', resume=None, **options):
    """A training of 4 epochs; the first 3 improve the score."""
    return toy.runner(
        work_dir,
        default_hooks=dict(
            checkpoint=dict(dict(type=hook, interval=1), **options)
        ),
        custom_hooks=[dict(type='EpochSeedHook')],
        load_from=resume,
        resume=resume is not None,
        **VALIDATION,
    )


def files(work_dir):
    return sorted(
        str(path.relative_to(work_dir))
        for path in work_dir.rglob('*')
        if path.suffix == '.pth' or path.name == 'last_checkpoint'
    )


def load(path):
    return torch.load(path, weights_only=False)


def last(work_dir):
    """The checkpoint that last_checkpoint names; it has to be whole."""
    path = Path((work_dir / 'last_checkpoint').read_text())
    assert checkpoint_problem(path) is None
    return path


@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(max_keep_ckpts=1),
        dict(max_keep_ckpts=2, interval=3),
        dict(max_keep_ckpts=2, by_epoch=False, interval=2, save_last=False),
        dict(BEST, max_keep_ckpts=1),
        dict(BEST, interval=3, published_keys=['meta', 'state_dict']),
        dict(BEST, save_best=['toy/score'], filename_tmpl='e{}.pth'),
        dict(out_dir='elsewhere', max_keep_ckpts=2),
        dict(backend_args=dict(backend='local'), save_optimizer=False),
    ],
)
def test_files_are_those_of_the_hook_it_replaces(tmp_path, options):
    found, content = [], []
    for hook in ('CheckpointHook', 'DurableCheckpointHook'):
        work_dir = tmp_path / hook
        if 'out_dir' in options:
            options = dict(options, out_dir=str(work_dir / 'out'))
        runner = build(work_dir, hook, **options)
        runner.train()
        found.append([f.split('-')[0] for f in files(work_dir)])
        content.append(load(last(work_dir)))
        content[-1]['kept'] = runner.message_hub.runtime_info.get(
            'keep_ckpt_ids'
        )
        forget_name(content[-1])
    assert [f.replace('Durable', '') for f in found[1]] == found[0]
    assert content[0].keys() == content[1].keys()
    assert content[0]['kept'] == content[1]['kept']
    toy.assert_same_state(content[0]['state_dict'], content[1]['state_dict'])


@pytest.mark.parametrize('options', [{}, BEST])
def test_a_validation_alone_has_metrics_and_no_checkpoint(tmp_path, options):
    runner = build(tmp_path, **options)
    assert runner.val()['toy/score'] < 0
    assert files(tmp_path) == []


def forget_name(checkpoint):
    assert checkpoint.pop('meta')['epoch'] > 0


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole')
    build(work_dir, max_keep_ckpts=1, **BEST).train()
    return work_dir


def test_the_third_epoch_of_these_tests_is_the_best(whole):
    assert files(whole) == [
        'best_toy_score_epoch_3.pth',
        'epoch_4.pth',
        'last_checkpoint',
    ]


@pytest.mark.parametrize('site', SITES)
def test_killed_at_any_place_and_resumed_ends_the_same(
    whole, tmp_path, monkeypatch, site
):
    killed_at(
        site,
        build(tmp_path, max_keep_ckpts=1, **BEST).train,
        monkeypatch,
    )
    if site in ('checkpoint.inside_write', 'checkpoint.before_last'):
        assert not (tmp_path / 'last_checkpoint').exists()
    else:
        last(tmp_path)
    resume = find_latest_checkpoint(str(tmp_path))
    build(tmp_path, resume=resume, max_keep_ckpts=1, **BEST).train()
    first, second = load(last(whole)), load(last(tmp_path))
    toy.assert_same_state(first['state_dict'], second['state_dict'])
    assert first['meta']['iter'] == second['meta']['iter']
    assert not list(tmp_path.glob('tmp.*'))
    assert {'epoch_4.pth', 'last_checkpoint'} <= set(files(tmp_path))


@pytest.mark.parametrize(
    'site', ['checkpoint.before_delete:1', 'checkpoint.inside_write:3']
)
def test_what_a_kill_left_beside_the_kept_ones_is_removed(
    tmp_path, monkeypatch, site
):
    killed_at(site, build(tmp_path, max_keep_ckpts=1).train, monkeypatch)
    resume = find_latest_checkpoint(str(tmp_path))
    build(tmp_path, resume=resume, max_keep_ckpts=1).train()
    assert files(tmp_path) == ['epoch_4.pth', 'last_checkpoint']


def test_the_old_checkpoint_stays_until_the_new_one_is_there(
    tmp_path, monkeypatch
):
    """MMEngine's own hook has removed it by then."""
    runner = build(tmp_path, max_keep_ckpts=1)
    real, calls = runner.save_checkpoint, []

    def save(*args, **kwargs):
        calls.append(files(tmp_path))
        real(*args, **kwargs)

    monkeypatch.setattr(runner, 'save_checkpoint', save)
    runner.train()
    assert calls[0] == []
    for epoch in (1, 2, 3):
        assert calls[epoch] == [f'epoch_{epoch}.pth', 'last_checkpoint']


def test_other_storage_keeps_the_ways_of_mmengine(tmp_path, monkeypatch):
    class Remote(LocalBackend):
        puts = []

        def put(self, obj, filepath):
            self.puts.append(os.path.basename(filepath))
            super().put(obj, filepath)

    monkeypatch.setattr(DurableBackend, 'put', None)
    register_backend('toy_remote', Remote, force=True)
    runner = build(
        tmp_path, backend_args=dict(backend='toy_remote'), max_keep_ckpts=1
    )
    runner.train()
    assert Remote.puts == [f'epoch_{epoch}.pth' for epoch in (1, 2, 3, 4)]
    assert files(tmp_path) == ['epoch_4.pth', 'last_checkpoint']
