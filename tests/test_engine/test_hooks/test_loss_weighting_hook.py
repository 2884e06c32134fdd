import json

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import MODELS

from mmada.controllers import AdaSegment, ConstantPolicy, PolicyEnsemble
from mmada.engine import save_policy
from mmada.models import ObjectiveError
from tests.support import toy


def train(work_dir, *hooks, **options):
    runner = toy.runner(
        work_dir,
        custom_hooks=[dict(type='EpochSeedHook'), *hooks],
        **options,
    )
    runner.train()
    return runner


def rows(work_dir):
    lines = (work_dir / 'weights.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def weighting(kind, **options):
    return dict(type='LossWeightingHook', weighting=dict(type=kind, **options))


class LossMeans(Hook):
    """Means of the raw losses a and b of each epoch, computed apart."""

    def __init__(self):
        self.means, self._sums = [], torch.zeros(2, dtype=torch.float64)

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self._sums += torch.tensor(
            [float(outputs['loss_a']), float(outputs['loss_b'])]
        )

    def after_train_epoch(self, runner):
        self.means.append((self._sums / 3).tolist())
        self._sums.zero_()


def bare(work_dir):
    """Trains the detector alone, in MMEngine's own way."""
    optim_wrapper = dict(toy.OPTIM_WRAPPER)
    del optim_wrapper['constructor']
    model = toy.MODEL['detector']
    return train(work_dir, model=model, optim_wrapper=optim_wrapper)


@pytest.mark.parametrize('mode', ['lr', 'grad', 'off'])
@pytest.mark.parametrize(
    'hooks', [[], [weighting('StaticWeighting', weights=[1.0, 1.0])]]
)
def test_ones_train_as_the_bare_detector_to_the_bit(tmp_path, hooks, mode):
    plain = bare(tmp_path / 'bare')
    wrapped = train(
        tmp_path / 'wrapped',
        *hooks,
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode=mode)),
    )
    toy.assert_same_state(plain.model.state_dict(), wrapped.model.state_dict())


def test_a_checkpoint_loads_into_the_bare_detector(tmp_path):
    wrapped = train(tmp_path / 'a')
    plain = toy.runner(tmp_path / 'b', model=toy.MODEL['detector'])
    plain.load_checkpoint(str(tmp_path / 'a/epoch_3.pth'))
    toy.assert_same_state(plain.model.state_dict(), wrapped.model.state_dict())


def test_inverse_loss_follows_the_losses_of_the_epoch_before(tmp_path):
    means = LossMeans()
    runner = toy.runner(
        tmp_path,
        custom_hooks=[
            dict(type='EpochSeedHook'),
            weighting('InverseLossWeighting'),
        ],
    )
    runner.register_hook(means)
    runner.train()
    found = rows(tmp_path)
    assert [r['epoch'] for r in found] == [1, 2, 3]
    for row, losses in zip(found[1:], means.means, strict=False):
        assert row['losses'] == pytest.approx(losses)
    for row in found:
        inverse = [1 / loss for loss in row['losses']]
        mean = sum(inverse) / 2
        assert row['weights'] == pytest.approx([v / mean for v in inverse])


def test_a_weight_on_the_floor_is_in_the_log_once(tmp_path):
    hook = weighting('InverseLossWeighting', floor=0.99)
    train(tmp_path, hook, log_level='WARNING')
    weights = [row['weights'] for row in rows(tmp_path)]
    assert [min(row) for row in weights] == pytest.approx([0.99] * 3)
    log = ''.join(path.read_text() for path in tmp_path.rglob('*.log'))
    (line,) = (each for each in log.splitlines() if 'the floor' in each)
    assert ' - WARNING - The weight of ' in line
    assert 'which the floor raises to 0.99: that loss is all but' in line


def test_the_pseudo_epoch_leaves_no_trace(tmp_path):
    """Probed on 1 iteration or 7: the training after it is the same."""
    states = []
    for iters in (1, 7):
        hook = weighting('InverseLossWeighting')
        runner = toy.runner(
            tmp_path / str(iters),
            custom_hooks=[dict(hook, probe_iters=iters)],
        )
        before = {}

        class Keep(Hook):
            def before_train_epoch(self, runner, before=before):
                if runner.epoch == 0:
                    before.update(
                        toy.state_of(runner.model),
                        rng=torch.get_rng_state(),
                        momentum=len(
                            runner.optim_wrapper.optimizer.state_dict()[
                                'state'
                            ]
                        ),
                    )

        runner.register_hook(Keep())
        runner.train()
        states.append(before)
    assert states[0].pop('momentum') == states[1].pop('momentum') == 0
    toy.assert_same_state(states[0], states[1])


def test_a_static_weighting_needs_no_pseudo_epoch(tmp_path):
    train(tmp_path, weighting('StaticWeighting', weights=[2.0, 0.5]))
    assert [r['weights'] for r in rows(tmp_path)] == [[2.0, 0.5]] * 3
    assert rows(tmp_path)[0]['losses'] == []


def test_a_period_may_be_a_number_of_iterations(tmp_path):
    hook = dict(weighting('InverseLossWeighting'), interval=2)
    train(tmp_path, hook)
    assert [r['epoch'] for r in rows(tmp_path)] == [1, 2, 3, 4, 5]


@pytest.fixture(scope='module')
def policy(tmp_path_factory):
    controller = AdaSegment(2, 3, 4, sigma=0.8)
    losses = torch.tensor([5.0, 3.0], dtype=torch.float64)
    for _ in range(3):
        weights = controller.propose(losses)
        controller.observe(-weights[:, 0], None)
    path = tmp_path_factory.mktemp('policy') / 'policy.safetensors'
    save_policy(path, controller.ensemble().named(['a', 'b']))
    return path, controller.ensemble()


def policy_hook(policy, **options):
    return dict(type='PolicyWeightingHook', policy=str(policy[0]), **options)


def test_modes_use_the_policy_as_table_2_says(tmp_path, policy):
    ensemble = policy[1]
    for mode in ('final', 'pred', 'single', 'comb'):
        train(tmp_path / mode, policy_hook(policy, mode=mode))
        for row in rows(tmp_path / mode):
            losses = torch.tensor(
                row['losses'] or [1.0, 1.0], dtype=torch.float64
            )
            expected = dict(
                final=ensemble.best_weights,
                pred=ensemble.last_weights(ensemble.initial_losses),
                single=ensemble.last_weights(losses),
                comb=ensemble.weights(row['epoch'], 3, losses),
            )[mode]
            assert row['weights'] == expected.tolist(), mode


def test_probed_initial_losses_are_those_of_this_run(tmp_path, policy):
    stored, probed = policy[1].initial_losses.tolist(), tmp_path / 'probe'
    train(probed, policy_hook(policy, mode='pred', initial_losses='probe'))
    first = rows(probed)[0]
    assert first['losses'] != stored
    losses = torch.tensor(first['losses'], dtype=torch.float64)
    expected = policy[1].last_weights(losses).tolist()
    assert [r['weights'] for r in rows(probed)] == [expected] * 3


def test_a_policy_of_other_objectives_is_refused(tmp_path, policy):
    model = dict(toy.MODEL, objectives=dict(a='loss_a', c='loss_b'))
    with pytest.raises(ValueError, match="'?b'?.*'?c'?|'?c'?.*'?b'?"):
        train(tmp_path, policy_hook(policy), model=model)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(mode='best'), "`mode` should be one of .*'comb'. Found 'best'"),
        (
            dict(initial_losses='file'),
            "one of 'stored', 'probe'. Found 'file'",
        ),
        (dict(interval=0), '`interval` should be an integer'),
    ],
)
def test_bad_options_are_named(tmp_path, policy, options, message):
    with pytest.raises(ValueError, match=message):
        train(tmp_path, policy_hook(policy, **options))


def test_weights_without_known_owners_are_refused(tmp_path):
    model = dict(toy.MODEL, weights=[2.0, 1.0])
    with pytest.raises(RuntimeError, match='LossWeightingHook'):
        train(tmp_path, model=model)


def test_an_objective_that_never_appears_is_refused(tmp_path):
    model = dict(toy.MODEL, objectives=dict(a='loss_a', m='loss_mask'))
    with pytest.raises(ObjectiveError, match="'m'.*loss_a, loss_b, loss_rpn"):
        train(
            tmp_path,
            weighting('StaticWeighting', weights=[1.0, 1.0]),
            model=model,
        )


@MODELS.register_module()
class HidingDetector(toy.ToyDetector):
    """Leaves `loss_b` out while it hides it."""

    hides = False

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        if self.hides:
            del found['loss_b']
        return found


class HideIn(Hook):
    """Hides `loss_b` for one epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def before_train_epoch(self, runner):
        runner.model.hides = runner.epoch == self.epoch


@pytest.mark.parametrize('kind', ['InverseLossWeighting', 'StaticWeighting'])
def test_an_epoch_without_an_objective_keeps_its_last_loss(tmp_path, kind):
    options = dict(weights=[2.0, 0.5]) if kind == 'StaticWeighting' else {}
    runner = toy.runner(
        tmp_path,
        model=dict(toy.MODEL, detector=dict(type='HidingDetector')),
        custom_hooks=[weighting(kind, **options)],
    )
    runner.register_hook(HideIn(1))
    runner.train()
    first, second, third = (row['losses'] for row in rows(tmp_path))
    assert third[1] == second[1]
    assert third[0] != second[0]
    assert len(first) == (2 if kind == 'InverseLossWeighting' else 0)


def test_an_objective_that_was_never_seen_has_no_loss(tmp_path):
    runner = toy.runner(
        tmp_path,
        model=dict(toy.MODEL, detector=dict(type='HidingDetector')),
        custom_hooks=[weighting('StaticWeighting', weights=[2.0, 0.5])],
    )
    runner.register_hook(HideIn(0))
    runner.train()
    first, second, third = (row['losses'] for row in rows(tmp_path))
    assert first == []
    assert second[0] is not None and second[1] is None
    assert third[1] is not None


def test_resumed_in_pred_mode_keeps_the_probed_losses(tmp_path, policy):
    hook = policy_hook(policy, mode='pred', initial_losses='probe')
    whole = train(tmp_path / 'whole', hook)
    train(
        tmp_path / 'cut',
        hook,
        train_cfg=dict(
            type='EpochBasedTrainLoop', max_epochs=3, val_interval=9
        ),
    )
    (tmp_path / 'cut/epoch_3.pth').unlink()
    (tmp_path / 'cut/last_checkpoint').write_text(
        str(tmp_path / 'cut/epoch_1.pth')
    )
    resumed = train(tmp_path / 'cut', hook, resume=True)
    assert rows(tmp_path / 'whole') == rows(tmp_path / 'cut')
    toy.assert_same_state(whole.model.state_dict(), resumed.model.state_dict())


def test_a_policy_that_was_replaced_is_not_gone_on_with(tmp_path, policy):
    path = tmp_path / 'mine.safetensors'
    path.write_bytes(policy[0].read_bytes())
    hook = policy_hook((path, policy[1]))
    train(tmp_path, hook)
    weights = torch.tensor([9.0, 0.1], dtype=torch.float64)
    other = PolicyEnsemble((ConstantPolicy.of(weights),), weights, weights)
    save_policy(path, other.named(['a', 'b']))
    with pytest.raises(ValueError, match='Found a file that holds another'):
        train(tmp_path, hook, resume=True)
    # What else a file says does not matter.
    save_policy(path, policy[1].named(['a', 'b']), dict(moved='here'))
    train(tmp_path, hook, resume=True)


@pytest.mark.parametrize('name', ['', 'folder'])
def test_what_is_no_file_is_no_policy(tmp_path, policy, name):
    (tmp_path / 'policy.safetensors').write_bytes(policy[0].read_bytes())
    (tmp_path / 'folder').mkdir()
    path = str(tmp_path / name) if name else ''
    with pytest.raises(FileNotFoundError, match='`policy` of .* no file'):
        train(tmp_path, policy_hook((path, None)))


@pytest.mark.parametrize(('interval', 'warns'), [(5, True), (4, False)])
def test_a_training_too_short_for_other_weights_is_warned_of(
    tmp_path, capsys, interval, warns
):
    hook = dict(weighting('DynamicWeightAverage'), interval=interval)
    train(tmp_path, hook, log_level='WARNING')
    message = 'All weights stay 1: DynamicWeightAverage gives others from'
    assert (message in capsys.readouterr().out) == warns
    ones = all(row['weights'] == [1, 1] for row in rows(tmp_path))
    assert ones == warns


def test_periods_that_do_not_fill_the_training_are_counted_up(
    tmp_path, policy
):
    """Nine iterations in periods of two are five."""
    train(tmp_path, policy_hook(policy, interval=2))
    for row in rows(tmp_path):
        losses = torch.tensor(row['losses'], dtype=torch.float64)
        expected = policy[1].weights(row['epoch'], 5, losses)
        assert row['weights'] == expected.tolist()


def test_the_pseudo_epoch_trains_with_weights_of_one(tmp_path):
    hook = weighting('InverseLossWeighting')
    train(tmp_path / 'ones', hook)
    model = dict(toy.MODEL, weights=[8.0, 0.1])
    train(tmp_path / 'other', hook, model=model)
    assert rows(tmp_path / 'ones') == rows(tmp_path / 'other')


def test_a_resume_without_a_stored_state_probes_again(tmp_path):
    """The run was begun without the hook."""
    short = dict(type='EpochBasedTrainLoop', max_epochs=1)
    train(tmp_path, train_cfg=short)
    train(tmp_path, weighting('InverseLossWeighting'), resume=True)
    found = rows(tmp_path)
    assert [row['epoch'] for row in found] == [2, 3]
    assert all(row['losses'] for row in found)


def by_iterations(max_iters=9):
    return dict(
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=max_iters),
        train_dataloader=dict(
            toy.dataloader(),
            sampler=dict(type='InfiniteSampler', shuffle=True),
        ),
        param_scheduler=[],
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=4, by_epoch=False),
        ),
    )


def test_resumed_within_a_period_keeps_its_losses_and_weights(tmp_path):
    """A checkpoint after 4 iterations, periods of 3: one loss is kept."""
    hook = dict(weighting('InverseLossWeighting'), interval=3)
    runner = toy.runner(tmp_path, custom_hooks=[hook], **by_iterations())
    seen = Means()
    runner.register_hook(seen)
    runner.train()
    path = tmp_path / 'iter_4.pth'
    state = torch.load(path, weights_only=False)['mmada_loss_weighting']
    assert state['weights'] == rows(tmp_path)[1]['weights']
    assert state['means']['counts'].tolist() == [[1.0, 1.0]] * 2
    first = seen.losses[3]
    assert state['means']['sums'][1].tolist() == pytest.approx(first)
    (tmp_path / 'last_checkpoint').write_text(str(path))
    resumed = toy.runner(
        tmp_path, custom_hooks=[hook], resume=True, **by_iterations()
    )
    again = Means()
    resumed.register_hook(again)
    resumed.train()
    # The period's mean is of the stored iteration and of the two after it.
    losses = [first, *again.losses[:2]]
    expected = [sum(column) / 3 for column in zip(*losses, strict=True)]
    assert rows(tmp_path)[2]['losses'] == pytest.approx(expected)
    assert again.weights[0] == pytest.approx(state['weights'])


class Means(Hook):
    """Keeps the raw losses and the weights of each iteration."""

    def __init__(self):
        self.losses, self.weights = [], []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.losses.append(
            [outputs[name].item() for name in ('loss_a', 'loss_b')]
        )
        self.weights.append(list(runner.model.objective_weights.values))


def in_the_middle_of_epochs(work_dir, hook, resume=None):
    """Trains 4 epochs of 3 iterations, with a checkpoint of each one."""
    means = Means()
    checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=1)
    runner = toy.runner(
        work_dir,
        custom_hooks=[hook],
        default_hooks=dict(checkpoint=checkpoint),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=4),
        load_from=resume,
        resume=resume is not None,
    )
    runner.register_hook(means)
    runner.train()
    return means


def test_an_epoch_that_is_done_again_keeps_its_weights(tmp_path):
    """MMEngine begins it anew after a checkpoint from the middle of it."""
    hook = weighting('DynamicWeightAverage')
    whole = in_the_middle_of_epochs(tmp_path, hook)
    before = rows(tmp_path)
    assert before[2]['weights'] == pytest.approx(whole.weights[6])
    assert before[2]['weights'] != [1.0, 1.0]
    again = in_the_middle_of_epochs(
        tmp_path, hook, str(tmp_path / 'iter_8.pth')
    )
    after = rows(tmp_path)
    assert [row['epoch'] for row in after] == [1, 2, 3, 4]
    assert after[2] == before[2]
    assert again.weights[:3] == [pytest.approx(whole.weights[6])] * 3
    expected = [
        sum(column) / 3 for column in zip(*again.losses[:3], strict=True)
    ]
    assert after[3]['losses'] == pytest.approx(expected)


def test_means_of_an_epoch_that_is_done_again_begin_anew(tmp_path):
    hook = dict(
        type='StepWeightingHook', weighting=dict(type='UncertaintyWeighting')
    )
    in_the_middle_of_epochs(tmp_path, hook)
    again = in_the_middle_of_epochs(
        tmp_path, hook, str(tmp_path / 'iter_8.pth')
    )
    row = rows(tmp_path)[2]
    for name, found in (('losses', again.losses), ('weights', again.weights)):
        expected = [sum(column) / 3 for column in zip(*found[:3], strict=True)]
        assert row[name] == pytest.approx(expected), name


def test_a_pseudo_epoch_that_diverges_is_named(tmp_path):
    optim_wrapper = dict(
        toy.OPTIM_WRAPPER, optimizer=dict(type='SGD', lr=1e30)
    )
    with pytest.raises(
        RuntimeError,
        match='The pseudo epoch, with all weights 1, diverged in iteration 2',
    ):
        train(
            tmp_path,
            weighting('InverseLossWeighting'),
            optim_wrapper=optim_wrapper,
        )


@MODELS.register_module()
class NoPositivesDetector(toy.ToyDetector):
    """Its second loss is a mean over nothing."""

    def forward(self, x, y, mode='tensor'):
        losses = super().forward(x, y, mode)
        return losses | dict(loss_b=losses['loss_b'][0].new_zeros(0).mean())


def test_a_loss_that_is_nan_with_these_data_is_no_divergence(tmp_path):
    model = dict(toy.MODEL, detector=dict(type='NoPositivesDetector'))
    with pytest.raises(
        RuntimeError,
        match='all weights 1, has a loss that is not finite in the first '
        'iteration, before any step: loss_b is nan.',
    ):
        train(tmp_path, weighting('InverseLossWeighting'), model=model)


def test_a_checkpoint_of_the_same_names_with_other_losses_is_refused(
    tmp_path,
):
    hook = weighting('StaticWeighting', weights=[2.0, 0.5])
    train(tmp_path, hook)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    model = dict(toy.MODEL, objectives=dict(a='loss_b', b='loss_a'))
    with pytest.raises(
        ValueError,
        match=r"should have the losses of the checkpoint, .'a': \['loss_a'\], "
        r"'b': \['loss_b'\].. Found .'a': \['loss_b'\], 'b': \['loss_a'\]..",
    ):
        train(tmp_path, hook, model=model, resume=True)


def test_a_checkpoint_of_other_objectives_is_refused(tmp_path):
    hook = weighting('StaticWeighting', weights=[2.0, 0.5])
    train(tmp_path, hook)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    model = dict(toy.MODEL, objectives=dict(b='loss_b', a='loss_a'))
    with pytest.raises(
        ValueError, match="those of the checkpoint, .'a', 'b'.. Found"
    ):
        train(tmp_path, hook, model=model, resume=True)


@pytest.mark.parametrize(
    ('kind', 'method'),
    [
        ('LossWeightingHook', 'InverseLossWeighting'),
        ('StepWeightingHook', 'UncertaintyWeighting'),
        ('GradientWeightingHook', 'GradNorm'),
    ],
)
def test_periods_of_another_length_are_refused(tmp_path, kind, method):
    hook = dict(type=kind, weighting=dict(type=method))
    train(tmp_path, dict(hook, interval=2))
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    for interval, found in ((None, 'None'), (4, '4')):
        with pytest.raises(ValueError, match=f'checkpoint, 2,.*ound {found}'):
            train(tmp_path, dict(hook, interval=interval), resume=True)
    train(tmp_path, dict(hook, interval=2), resume=True)
    # Of 9 iterations.
    assert [row['epoch'] for row in rows(tmp_path)] == [1, 2, 3, 4, 5]


def test_loaded_weights_start_a_training_of_their_own(tmp_path):
    """`load_from` is no resume: nothing but the model is taken over."""
    hook = weighting('StaticWeighting', weights=[2.0, 0.5])
    train(tmp_path / 'a', hook)
    other = dict(toy.MODEL, objectives=dict(b='loss_b', a='loss_a'))
    train(
        tmp_path / 'b',
        hook,
        model=other,
        load_from=str(tmp_path / 'a/epoch_3.pth'),
    )
    assert [r['objectives'] for r in rows(tmp_path / 'b')] == [['b', 'a']] * 3


def test_a_line_cut_off_by_a_kill_is_dropped(tmp_path):
    (tmp_path / 'weights.jsonl').write_text('{"epoch": 0}\n{"epoch": 1, "w')
    train(tmp_path, weighting('StaticWeighting', weights=[2.0, 0.5]))
    assert [r['epoch'] for r in rows(tmp_path)] == [0, 1, 2, 3]


def test_the_pseudo_epoch_does_not_shift_accumulation(tmp_path):
    """Probed on 2 iterations or 3: steps fall on the same iterations."""
    hook = weighting('InverseLossWeighting')
    momenta = []
    for iters in (2, 3):
        keep = Steps()
        runner = toy.runner(
            tmp_path / str(iters),
            custom_hooks=[dict(hook, probe_iters=iters)],
            optim_wrapper=dict(toy.OPTIM_WRAPPER, accumulative_counts=2),
        )
        runner.register_hook(keep)
        runner.train()
        momenta.append(keep.stepped)
    # Of nine iterations the last one ends a group that is cut short.
    assert momenta == [[1, 3, 5, 7, 8]] * 2


class Steps(Hook):
    """Keeps the iterations in which the optimizer stepped."""

    def __init__(self):
        self.stepped = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._before = runner.model.head_a.bias.item()

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        if runner.model.head_a.bias.item() != self._before:
            self.stepped.append(runner.iter)
