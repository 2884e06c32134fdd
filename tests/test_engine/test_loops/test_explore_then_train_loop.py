"""A training after an exploration: what it takes over, and its rate."""

import json
import signal

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from torch.utils.data import BatchSampler

from mmada.controllers import AdaSegment
from mmada.engine import load_policy
from mmada.engine.loops.config_checks import warn_of_data
from tests.support import processes, toy
from tests.test_engine.test_loops import batch_sizes_worker


class StopAfterRound(Hook):
    """Interrupts a search when its first round is done."""

    in_replicas = 'silent'

    def after_exploration_round(self, runner, record):
        raise KeyboardInterrupt


HOOKS = [dict(type='EpochSeedHook'), dict(type='PolicyWeightingHook')]
LR, BASE = 0.05, 16
REPLICA, RANK = 2, 4  # images of a batch


def build(work_dir, mode='lr', **options):
    return toy.runner(
        work_dir,
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(num_rounds=2),
            training=dict(type='EpochBasedTrainLoop', max_epochs=3),
        ),
        custom_hooks=HOOKS,
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode=mode)),
        **options,
    )


def train(work_dir):
    """Trains in a process that a test kills."""
    build(work_dir).train()


def final(work_dir):
    checkpoint = torch.load(work_dir / 'epoch_3.pth', weights_only=False)
    weights = (work_dir / 'weights.jsonl').read_text()
    return checkpoint, weights


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_training_after_exploration_equals_training_from_the_file(
    tmp_path, mode
):
    """The exploration leaves nothing behind but its policy."""
    together, alone = tmp_path / 'together', tmp_path / 'alone'
    build(together, mode).train()
    policy = str(together / 'policy.safetensors')
    runner = toy.runner(
        alone,
        custom_hooks=[
            dict(type='EpochSeedHook'),
            dict(type='PolicyWeightingHook', policy=policy),
        ],
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode=mode)),
    )
    runner.train()
    first, second = final(together), final(alone)
    assert first[1] == second[1]
    toy.assert_same_state(first[0]['state_dict'], second[0]['state_dict'])


def test_weights_follow_equation_7_on_the_losses_of_the_epoch_before(
    tmp_path,
):
    build(tmp_path).train()
    ensemble = load_policy(tmp_path / 'policy.safetensors')
    rows = [json.loads(row) for row in final(tmp_path)[1].splitlines()]
    assert [row['epoch'] for row in rows] == [1, 2, 3]
    assert rows[0]['losses'] == ensemble.initial_losses.tolist()
    for row in rows:
        losses = torch.tensor(row['losses'], dtype=torch.float64)
        expected = ensemble.weights(row['epoch'], 3, losses)
        assert row['weights'] == expected.tolist()
    assert rows[1]['losses'] != rows[0]['losses']


# 1 state of the start, 1 pseudo epoch, 5 an exploration round; then the
# checkpoints of the training.
@pytest.mark.parametrize(
    'failpoint', ['state.before_delete:4', 'state.before_delete:12']
)
def test_killed_and_resumed_gives_the_same_bits(tmp_path, failpoint):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    build(whole).train()
    env = dict(MMADA_FAILPOINT=failpoint)
    codes, outputs = processes.finish(
        processes.start(train, 1, killed, env=env)
    )
    assert codes == [-signal.SIGKILL], outputs
    build(killed, resume=True).train()
    first, second = final(whole), final(killed)
    assert first[1] == second[1]
    toy.assert_same_state(first[0]['state_dict'], second[0]['state_dict'])


@pytest.mark.parametrize('phase', ['search', 'training'])
def test_without_a_seed_a_resumed_run_goes_on_with_that_of_the_first(
    tmp_path, phase
):
    """MMEngine draws a seed at each start if the config has none."""
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    first = build(killed, randomness=dict(seed=None))
    if phase == 'search':
        first.register_hook(StopAfterRound())
    else:
        stop_after(first, 1)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    second = build(killed, randomness=dict(seed=None), resume=True)
    assert second.seed != first.seed  # drawn anew
    second.train()
    assert second.seed == first.seed
    build(whole, randomness=dict(seed=first.seed)).train()
    assert final(whole)[1] == final(killed)[1]
    toy.assert_same_state(
        final(whole)[0]['state_dict'], final(killed)[0]['state_dict']
    )


def test_a_run_that_is_not_resumed_names_the_directory_in_use(tmp_path):
    build(tmp_path).train()
    with pytest.raises(RuntimeError, match='holds an exploration already'):
        build(tmp_path).train()


@pytest.mark.parametrize(
    ('epoch', 'model'),
    [(1, toy.MODEL), (2, toy.MODEL), (1, dict(toy.MODEL, objectives='auto'))],
    ids=['1', '2', 'auto'],
)
def test_training_resumed_at_an_epoch_gives_the_same_bits(
    tmp_path, epoch, model
):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    build(whole, model=model).train()
    runner = build(killed, model=model)
    stop_after(runner, epoch)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    build(killed, model=model, resume=True).train()
    first, second = final(whole), final(killed)
    assert first[1] == second[1]
    toy.assert_same_state(first[0]['state_dict'], second[0]['state_dict'])
    key = 'mmada_loss_weighting'
    assert first[0][key]['weights'] == second[0][key]['weights']
    assert torch.equal(first[0][key]['losses'], second[0][key]['losses'])


def test_a_training_resumed_without_its_search_names_the_file(tmp_path):
    build(tmp_path / 'whole').train()
    checkpoint = tmp_path / 'whole/epoch_1.pth'
    missing = tmp_path / 'other/policy.safetensors'
    options = dict(resume=True, load_from=str(checkpoint))
    with pytest.raises(ValueError, match=f'that of the search.*{missing}'):
        build(tmp_path / 'other', **options).train()


def stop_after(runner, epoch):
    """Interrupts a training in the middle of the epoch after `epoch`."""

    class Stop(Hook):
        in_replicas = 'silent'

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.epoch == epoch and batch_idx == 1:
                raise KeyboardInterrupt

    runner.register_hook(Stop())


def test_schedules_of_both_phases_end_at_their_own_length(tmp_path):
    runner = build(tmp_path)
    loop = runner.build_train_loop(runner._train_loop)
    assert loop.max_epochs == 3
    assert loop.explorations[0].max_epochs == 2
    runner._train_loop = loop
    runner.train()
    assert runner.param_schedulers[0].end == 9


def run_batch_sizes(work_dir, world_size, enable):
    processes.run(
        batch_sizes_worker.train,
        world_size,
        work_dir,
        enable=enable,
        base_batch_size=BASE,
    )
    return json.loads((work_dir / 'found.json').read_text())


@pytest.mark.parametrize('world_size', [1, 2])
def test_each_phase_is_scaled_by_its_own_batch(tmp_path, world_size):
    found = run_batch_sizes(tmp_path, world_size, enable=True)
    assert found['exploration'] == pytest.approx(LR * REPLICA / BASE)
    assert found['training'] == pytest.approx(LR * world_size * RANK / BASE)
    if world_size == 2:  # an exploration alone has MMEngine's own scaling
        assert '`auto_scale_lr.enable` should be False' in found['error']
    else:
        assert 'error' not in found
    logs = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'same learning rate' not in logs


def test_two_sizes_at_one_rate_are_warned_of(tmp_path):
    found = run_batch_sizes(tmp_path, 2, enable=False)
    assert 'error' not in found
    assert found['exploration'] == found['training'] == LR
    logs = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'on batches of 2' in logs
    assert 'on 8 (2 ranks of 4)' in logs
    assert '`batch_size=8`' in logs


COCO = dict(type='CocoDataset', ann_file='a.json', pipeline=['load'])


def held_out(dataset, kind='ImageSubset'):
    return dict(type=kind, ids_file='ids.txt', keep='others', dataset=dataset)


@pytest.mark.parametrize(
    ('training', 'exploration', 'differ'),
    [
        (COCO, held_out(COCO), ''),
        (COCO, held_out(COCO, 'mmada.datasets.ImageSubset'), ''),
        (held_out(COCO), COCO, ''),
        (
            dict(type='ConcatDataset', datasets=[COCO, COCO]),
            dict(type='ConcatDataset', datasets=(held_out(COCO), COCO)),
            '',
        ),
        (COCO, held_out(dict(COCO, ann_file='b.json')), '`ann_file`'),
        (
            dict(COCO, pipeline=['load', 'flip'], indices=9),
            held_out(COCO),
            '`pipeline`, `indices`',
        ),
    ],
)
def test_data_that_only_the_training_or_the_search_has_are_warned_of(
    capsys, training, exploration, differ
):
    MMLogger.get_instance(str((training, exploration)))  # a new one
    warn_of_data(dict(dataset=training), dict(dataset=exploration))
    said = capsys.readouterr().out
    assert ('The dataset of the exploration' in said) == bool(differ)
    assert not differ or f"from the training's in {differ}. If" in said


@pytest.mark.parametrize('size', [12, 15])
def test_a_search_with_data_of_its_own_says_so(tmp_path, size):
    runner = toy.runner(
        tmp_path,
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(dataloader=toy.dataloader(size=size)),
            training=dict(type='EpochBasedTrainLoop', max_epochs=3),
        ),
        custom_hooks=HOOKS,
        log_level='WARNING',
    )
    runner.build_train_loop(runner.cfg.train_cfg)
    (log,) = tmp_path.rglob('*.log')
    said = "from the training's in `size`." in log.read_text()
    assert said == (size != 12)


def validated(work_dir, training, hooks=(), **options):
    return toy.runner(
        work_dir,
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(num_rounds=1, **options),
            training=training,
        ),
        val_dataloader=toy.dataloader(offset=1, shuffle=False),
        val_evaluator=dict(type='ToyMetric'),
        val_cfg=dict(type='ValLoop'),
        custom_hooks=[dict(type='PolicyWeightingHook'), *hooks],
    )


def test_early_stopping_ends_the_training_and_no_search(tmp_path):
    """Nothing is good enough, so the second validation is the last."""
    stopping = dict(
        type='EarlyStoppingHook',
        monitor='toy/score',
        rule='greater',
        patience=1,
        min_delta=99,
    )
    training = dict(type='EpochBasedTrainLoop', max_epochs=5)
    runner = validated(tmp_path, training, [stopping])
    runner.train()
    assert runner.epoch == 2
    assert (tmp_path / 'policy.safetensors').exists()


def test_the_runner_knows_when_the_training_validates(tmp_path):
    training = dict(by_epoch=True, max_epochs=3, val_begin=2, val_interval=3)
    runner = validated(tmp_path, training)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    assert (runner.val_begin, runner.val_interval) == (2, 3)
    runner.train_loop.stop_training = True
    assert runner.train_loop.training.stop_training


@pytest.mark.parametrize(
    ('training', 'iterations'),
    [
        (dict(by_epoch=True, max_epochs=2), 6),
        (dict(by_epoch=False, max_iters=2), 2),
    ],
)
def test_the_training_is_named_as_in_any_config(
    tmp_path, training, iterations
):
    runner = validated(tmp_path, training)
    runner.train()
    assert runner.iter == runner.max_iters == iterations


@pytest.mark.parametrize(
    'training',
    [
        dict(max_epochs=1),
        dict(type='EpochBasedTrainLoop', by_epoch=True, max_epochs=1),
        None,
    ],
)
def test_a_training_that_is_not_named_is_refused(tmp_path, training):
    runner = validated(tmp_path, training)
    with pytest.raises(ValueError, match='`training`.*`type` or `by_epoch`'):
        runner.train()


def test_types_may_be_classes(tmp_path):
    """As in configs of Python alone; either resumes the other."""
    for controller in (AdaSegment, 'AdaSegment'):
        runner = validated(
            tmp_path,
            dict(by_epoch=True, max_epochs=1),
            controller=dict(type=controller, num_replicas=2),
        )
        runner._resume = controller == 'AdaSegment'
        runner.train()
    (store,) = (tmp_path / 'exploration/states').glob('step_00000004')
    manifest = json.loads((store / 'MANIFEST.json').read_text())
    assert manifest['schema']['controller'] == dict(
        type='AdaSegment', num_replicas=2
    )


def test_a_size_that_only_the_batch_sampler_has_is_seen(tmp_path):
    batches = dict(type=BatchSampler, drop_last=False)
    toy.runner(
        tmp_path,
        train_dataloader=dict(toy.dataloader(), batch_sampler=batches),
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(
                num_rounds=1,
                dataloader=dict(toy.dataloader(), batch_size=2),
            ),
            training=dict(type='EpochBasedTrainLoop', max_epochs=1),
        ),
        custom_hooks=[dict(type='PolicyWeightingHook')],
        log_level='WARNING',
    ).train()
    logs = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'on batches of 2' in logs
    assert 'on 4 (1 ranks of 4)' in logs
