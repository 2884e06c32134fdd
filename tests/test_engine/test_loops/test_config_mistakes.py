"""Mistakes in the config of a search, found before data are read."""

import copy
import warnings

import pytest
import torch
from mmengine.registry import DATASETS, MODELS, TASK_UTILS

from mmada.controllers import SlopeSearch
from mmada.engine.exploration.state import BegunError
from mmada.engine.loops.config_checks import check_reward
from mmada.engine.state import StateError
from tests.support import toy

TRAINING = dict(type='EpochBasedTrainLoop', max_epochs=1)
REWARD = toy.dataloader(offset=1, shuffle=False)


@DATASETS.register_module()
class ListedRows(toy.ToyDataset):
    """Rows whose ids begin with `first`."""

    def __init__(self, first, size=12):
        super().__init__(size)
        self.first = first

    def get_data_info(self, index):
        return dict(img_id=self.first + index)


@DATASETS.register_module()
class UnreadDataset(toy.ToyDataset):
    """Data that nobody may ask for."""

    def __init__(self):
        raise AssertionError('The data were read.')


UNREAD = dict(toy.dataloader(), dataset=dict(type='UnreadDataset'))


def loop(**options):
    """Builds the loop of a search and a training as a Runner does."""
    train_cfg = dict(
        type='ExploreThenTrainLoop',
        exploration=toy.exploration(num_rounds=1),
        training=TRAINING,
    )
    work_dir = options.pop('work_dir')
    hooks = options.pop('hooks', [dict(type='PolicyWeightingHook')])
    model = options.pop('model', toy.MODEL)
    runner = toy.runner(
        work_dir,
        model=model,
        train_cfg={**train_cfg, **options},
        train_dataloader=UNREAD,
        custom_hooks=hooks,
    )
    return runner.build_train_loop(runner._train_loop)


def listed(ids_file='none.txt', **options):
    subset = dict(type='ImageSubset', ids_file=ids_file, keep='listed')
    return dict(REWARD, dataset=dict(subset, dataset=REWARD['dataset']))


COCO = dict(type='CocoMetric', ann_file='x.json')
SLOPE = dict(type='SlopeSearch', num_replicas=3)


@pytest.mark.parametrize(
    ('search', 'message'),
    [
        (dict(reward_dataloader=None), '`reward_dataloader` should be a conf'),
        (dict(controller='SlopeSearch'), '`controller` should be a config'),
        (dict(reward_evaluator=None), '`reward_evaluator` should be a conf'),
        (
            dict(reward_dataloader=listed()),
            '`ids_file` should be.*Found no file none.txt. `mmada split CON',
        ),
        (
            dict(ranks_per_replica=2),
            '`ranks_per_replica` should be 1 to 1, as this run has 1 rank, or '
            'None. Found 2. .*torchrun .*`mmada adapt --gpus 1`',
        ),
        (dict(ranks_per_replica=0), '`ranks_per_replica`.*0'),
        (dict(seed='7'), "`seed` should be an integer of at least 0.*'7'"),
        *(
            (
                dict(directory=folder),
                '`directory` should name a folder in the work directory. '
                f'Found {folder!r}.',
            )
            for folder in ('', '.', '../other', '/tmp/other', 3)
        ),
        (
            dict(num_round=3),
            '`train_cfg` should have options of ParallelExplorationLoop: '
            "dataloader, num_rounds, .*Found 'num_round'",
        ),
        (
            dict(controller=dict(type='SlopSearch')),
            'registered WeightController, such as AdaSegment, AmLfs.*'
            "Found 'SlopSearch'. Did you mean 'SlopeSearch'[?].*custom_imp",
        ),
        (
            dict(controller=dict(SLOPE, sigmas=1.0)),
            '`controller` should have options of SlopeSearch: centre, '
            'control, groups, noise, num_replicas, rounds_per_training, '
            "sigma, start. Found 'sigmas'",
        ),
        (
            dict(controller=dict(type='SlopeSearch')),
            "SlopeSearch: .*Found no 'num_replicas'",
        ),
        (
            dict(
                controller=dict(
                    type='AdaSegment', num_replicas=2, learning_rate=1.0
                )
            ),
            "AdaSegment: .*kl_limit.*Found 'learning_rate'",
        ),
    ],
)
def test_a_mistake_is_named_with_what_there_is(tmp_path, search, message):
    config = toy.exploration(num_rounds=1, **search)
    with pytest.raises(ValueError, match=message):
        loop(work_dir=tmp_path, exploration=config)


@pytest.mark.parametrize('search', [None, [], 'search', [None]])
def test_a_search_that_is_no_config_is_refused(tmp_path, search):
    with pytest.raises(ValueError, match='`exploration` should be the config'):
        loop(work_dir=tmp_path, exploration=search)


def test_a_search_without_data_is_refused(tmp_path):
    config = toy.exploration(num_rounds=1, dataloader=None)
    with pytest.raises(ValueError, match='`dataloader` should be .*None'):
        loop(work_dir=tmp_path, exploration=config)


def test_two_hooks_that_weigh_are_refused_before_the_search(tmp_path):
    second = dict(
        type='StepWeightingHook',
        weighting=dict(type='UncertaintyWeighting'),
    )
    with pytest.raises(
        ValueError,
        match='should hold one hook that weighs the losses. Found '
        'PolicyWeightingHook, StepWeightingHook. Leave out',
    ):
        loop(
            work_dir=tmp_path,
            hooks=[dict(type='PolicyWeightingHook'), second],
        )


@pytest.mark.parametrize(
    ('target', 'model', 'searched'),
    [
        (None, toy.MODEL['detector'], "'auto'"),
        (toy.OBJECTIVES, toy.MODEL['detector'], str(toy.OBJECTIVES)),
        (None, toy.MODEL, str(toy.OBJECTIVES)),
    ],
)
def test_other_objectives_of_the_hook_are_refused_before_the_search(
    tmp_path, target, model, searched
):
    swapped = dict(a='loss_b', b='loss_a')
    config = toy.exploration(
        target=dict(type='LossWeights', objectives=target)
    )

    def build(objectives):
        hook = dict(type='PolicyWeightingHook', objectives=objectives)
        loop(work_dir=tmp_path, hooks=[hook], model=model, exploration=config)

    with pytest.raises(ValueError) as error:
        build(swapped)
    assert str(error.value) == (
        '`objectives` of PolicyWeightingHook should be left out or be those '
        f'of the search, {searched}. Found {swapped}. The search has those '
        'of `model`, or of its `target`.'
    )
    same = 'auto' if searched == "'auto'" else toy.OBJECTIVES
    with pytest.raises(AssertionError, match='The data were read'):
        build(same)


def test_a_stock_metric_of_held_out_images_is_refused(tmp_path):
    ids = tmp_path / 'ids.txt'
    ids.write_text('')
    config = toy.exploration(
        reward_dataloader=listed(str(ids)), reward_evaluator=COCO
    )
    with pytest.raises(ValueError, match='should be SubsetCocoMetric where'):
        loop(work_dir=tmp_path, exploration=config)


def test_a_stock_metric_of_other_images_is_warned_of(tmp_path):
    toy.runner(tmp_path, log_level='WARNING')
    check_reward(REWARD, [dict(type='ToyMetric'), COCO])
    logs = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'CocoMetric gives no value for a model that finds nothing' in logs
    assert 'SubsetCocoMetric' in logs


@pytest.mark.parametrize(
    ('trained', 'warned'), [((0, 1, 2, 2), True), ((0, 1, 1, 0), False)]
)
def test_a_class_without_a_reward_image_is_warned_of(
    tmp_path, trained, warned
):
    run(
        tmp_path,
        log_level='WARNING',
        dataloader=toy.listed(*trained),
        reward_dataloader=toy.listed(0, 1),
    )
    logs = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    text = 'has an object or segment of c, while the training has.'
    assert (text in logs) == warned


@TASK_UTILS.register_module()
class CautiousSearch(SlopeSearch):
    """Warns where it is built."""

    def __init__(self, **options):
        super().__init__(**options)
        warnings.warn('few replicas', stacklevel=2)


def test_what_a_controller_warns_of_is_in_the_log(tmp_path, recwarn):
    config = dict(SLOPE, type='CautiousSearch')
    run(tmp_path, log_level='WARNING', controller=config)
    logs = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'WARNING - few replicas\n' in logs
    assert not [w for w in recwarn if 'few replicas' in str(w.message)]


def test_what_a_base_brings_is_named_with_the_way_out(tmp_path):
    with pytest.raises(
        ValueError,
        match='`train_cfg` should have options of ExploreThenTrainLoop: '
        "dataloader, exploration, training. Found 'max_epochs', "
        "'val_interval'. .*`_delete_=True`",
    ):
        loop(work_dir=tmp_path, max_epochs=12, val_interval=1)


def test_schedules_of_epochs_need_a_training_of_epochs(tmp_path):
    """MMEngine steps them nowhere in a training of iterations."""
    runner = toy.runner(
        tmp_path,
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(num_rounds=1),
            training=dict(type='IterBasedTrainLoop', max_iters=3),
        ),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.5, by_epoch=False, end=2),
            dict(type='MultiStepLR', milestones=[1]),
        ],
        custom_hooks=[dict(type='PolicyWeightingHook')],
    )
    with pytest.raises(
        ValueError,
        match='`param_scheduler` should hold schedules of iterations .*'
        'Found MultiStepLR of epochs, which a search would step',
    ):
        runner.train()
    assert not (tmp_path / 'exploration').exists()


@pytest.mark.parametrize(
    ('total', 'by_epoch', 'fits', 'message'),
    [
        (2, True, 3, 'the 9 iterations of .* Found 6, of OneCycleLR'),
        (7, False, 9, 'the 9 iterations of .* Found 7, of OneCycleLR'),
    ],
)
def test_a_schedule_that_ends_before_the_search_is_refused(
    tmp_path, total, by_epoch, fits, message
):
    """Three rounds of three iterations each."""

    def search(name, total):
        schedule = dict(
            type='OneCycleLR',
            eta_max=0.1,
            total_steps=total,
            by_epoch=by_epoch,
            convert_to_iter_based=by_epoch,
        )
        toy.runner(
            tmp_path / name,
            train_cfg=toy.exploration(
                controller=dict(type='AdaSegment', num_replicas=2)
            ),
            param_scheduler=[schedule],
        ).train()

    said = f'`total_steps` in `param_scheduler` should cover {message}'
    with pytest.raises(ValueError, match=said):
        search('short', total)
    assert not (tmp_path / 'short/exploration/states').exists()
    search('long', fits)


def run(work_dir, resume=False, model=toy.MODEL, log_level='ERROR', **options):
    runner = toy.runner(
        work_dir,
        log_level=log_level,
        model=copy.deepcopy(model),
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(num_rounds=1, **options),
            training=TRAINING,
        ),
        custom_hooks=[dict(type='PolicyWeightingHook')],
        resume=resume,
    )
    runner.train()
    return runner


@MODELS.register_module()
class WiderDetector(toy.ToyDetector):
    """Has a head of another size."""

    def __init__(self):
        super().__init__()
        self.head_b = torch.nn.Linear(8, 3)


WIDER = dict(toy.MODEL, detector=dict(type='WiderDetector'))


def test_after_a_mistake_the_corrected_run_just_starts(tmp_path):
    """The key shows when the reward is tried, which is after the start.

    What is corrected may be the model as well.
    """
    with pytest.raises(ValueError, match='`reward_metric` should be'):
        run(tmp_path, model=WIDER, reward_metric='toy/no_such')
    assert (tmp_path / 'exploration/initial').exists()
    runner = run(tmp_path)
    whole = run(tmp_path / 'whole')
    toy.assert_same_state(runner.model.state_dict(), whole.model.state_dict())


def test_after_progress_it_says_resume_before_data_are_read(tmp_path):
    run(tmp_path)
    with pytest.raises(BegunError, match='Resume it .--resume.'):
        loop(work_dir=tmp_path)


def test_a_resume_with_another_model_says_what_differs(tmp_path):
    run(tmp_path)
    (tmp_path / 'last_checkpoint').unlink()
    with pytest.raises(
        ValueError,
        match=r'`model` should be.*head_b.bias \(2, in the config 3\), '
        r'head_b.weight \(2x8, in the config 3x8\)',
    ):
        run(tmp_path, resume=True, model=WIDER)


def test_a_resume_with_more_schedules_names_them(tmp_path):
    options = dict(
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(num_rounds=1),
            training=TRAINING,
        ),
        custom_hooks=[dict(type='PolicyWeightingHook')],
    )
    toy.runner(tmp_path, **options).train()
    (tmp_path / 'last_checkpoint').unlink()
    schedule = dict(type='LinearLR', start_factor=0.5, by_epoch=False, end=2)
    resumed = toy.runner(
        tmp_path, param_scheduler=[schedule] * 2, resume=True, **options
    )
    with pytest.raises(
        ValueError,
        match='`param_scheduler` should be that of the states, to be '
        r'resumed, with 1 schedule\(s\). Found 2. Resume with its settings',
    ):
        resumed.train()


def test_text_for_the_batch_of_a_learning_rate_is_named(tmp_path):
    runner = toy.runner(
        tmp_path,
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(num_rounds=1),
            training=TRAINING,
        ),
        custom_hooks=[dict(type='PolicyWeightingHook')],
        auto_scale_lr=dict(enable=True, base_batch_size='8'),
    )
    with pytest.raises(
        ValueError,
        match='`auto_scale_lr.base_batch_size` should be a finite number '
        "above 0. Found '8'",
    ):
        runner.train()


@pytest.mark.parametrize(
    ('size', 'differs'),
    [(12, r'"12 images, ids \w{8}", this run "12 images, ids \w{8}"')]
    + [(8, r'"12 images, ids \w{8}", this run "8 images, ids \w{8}"')],
)
def test_a_resume_with_other_held_out_images_says_so(tmp_path, size, differs):
    def rows(first, size=12):
        dataset = dict(type='ListedRows', first=first, size=size)
        return dict(REWARD, dataset=dataset)

    run(tmp_path, reward_dataloader=rows(1))
    (tmp_path / 'last_checkpoint').unlink()
    run(tmp_path, resume=True, reward_dataloader=rows(1))
    (tmp_path / 'last_checkpoint').unlink()
    with pytest.raises(StateError, match=f'images.reward: stored {differs}'):
        run(tmp_path, resume=True, reward_dataloader=rows(2, size))


def test_a_good_resume_does_not_speak_of_no_checkpoint(tmp_path, capsys):
    for resume in (False, True):
        toy.runner(
            tmp_path,
            train_cfg=toy.exploration(num_rounds=1),
            log_level='INFO',
            resume=resume,
        ).train()
    logs = ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'Exploration resumed: 1 of 1 rounds done' in logs
    assert 'latest checkpoint None' not in logs
    assert 'Did not find last_checkpoint' not in capsys.readouterr().out
    assert 'best of round: score -' in logs


@pytest.mark.parametrize('interval', [0, -1, 0.5, None])
def test_a_training_that_would_fail_after_an_epoch(tmp_path, interval):
    training = dict(TRAINING, val_interval=interval)
    with pytest.raises(ValueError, match='`training.val_interval`.*Found'):
        loop(work_dir=tmp_path, training=training)
