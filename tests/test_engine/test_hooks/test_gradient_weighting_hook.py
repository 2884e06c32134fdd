import copy
import json

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, OPTIM_WRAPPERS, TASK_UTILS

from mmada.weightings import GradientWeighting
from tests.support import toy

pytest.importorskip('torchjd', reason='[torchjd] is not installed')


@TASK_UTILS.register_module()
class FromScript(GradientWeighting):
    """Says what it is told to, and keeps what it was shown."""

    def __init__(self, script=None):
        self.script, self.seen = script, []

    def weights(self, losses, gradients):
        self.seen.append((losses.clone(), gradients.clone()))
        if self.script is None:
            return torch.ones(len(losses), dtype=torch.float64)
        row = self.script[(len(self.seen) - 1) % len(self.script)]
        return torch.tensor(row, dtype=torch.float64)


class Weights(Hook):
    """Keeps the weights of each iteration."""

    def __init__(self):
        self.found = []

    def after_train_iter(self, runner, *args, **kwargs):
        self.found.append(list(runner.model.objective_weights.values))


def gradient_hook(kind='FromScript', options=None, **of_hook):
    return dict(
        type='GradientWeightingHook',
        weighting=dict(type=kind, **(options or {})),
        **of_hook,
    )


def upgrad(name='UPGrad', **options):
    weighting = dict(aggregator=name, **options)
    return gradient_hook('AggregatorWeighting', weighting)


def train(work_dir, *hooks, watch=(), **options):
    runner = toy.runner(
        work_dir,
        custom_hooks=[dict(type='EpochSeedHook'), *hooks],
        **options,
    )
    for hook in watch:
        runner.register_hook(hook)
    runner.train()
    return runner


def weighting_of(runner):
    return next(h.weighting for h in runner.hooks if hasattr(h, 'weighting'))


def rows(work_dir):
    lines = (work_dir / 'weights.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize('accumulative_counts', [1, 2])
@pytest.mark.parametrize('mode', ['lr', 'grad', 'off'])
def test_ones_train_as_the_bare_detector_to_the_bit(
    tmp_path, mode, accumulative_counts
):
    wrapper = dict(toy.OPTIM_WRAPPER, accumulative_counts=accumulative_counts)
    plain = dict(wrapper)
    del plain['constructor']
    bare = train(
        tmp_path / 'bare', model=toy.MODEL['detector'], optim_wrapper=plain
    )
    wrapped = train(
        tmp_path / 'wrapped',
        gradient_hook(),
        optim_wrapper=dict(wrapper, head_rule=dict(mode=mode)),
    )
    assert len(weighting_of(wrapped).seen) == 9
    toy.assert_same_state(bare.model.state_dict(), wrapped.model.state_dict())


class Reference(Hook):
    """Backward passes of its own in copies; what the optimizer receives."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.jacobians, self.rest, self.heads, self.received = [], [], [], []

    def before_train(self, runner):
        runner.optim_wrapper.optimizer.register_step_pre_hook(
            lambda *_: self.received.append(gradients(runner.model))
        )

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        state = torch.get_rng_state()
        found = {}
        for name in ('loss_a', 'loss_b', 'loss_rpn'):
            torch.set_rng_state(state)  # the same dropout
            model = copy.deepcopy(runner.model)
            loss = model(**data_batch, mode='loss')[name]
            parts = loss if isinstance(loss, list) else [loss]
            model.zero_grad()
            sum(part.mean() for part in parts).backward()
            found[name] = gradients(model)
        torch.set_rng_state(state)
        trunks = {name: trunk(grads) for name, grads in found.items()}
        self.jacobians.append(
            torch.stack([trunks['loss_a'], trunks['loss_b']])
        )
        self.rest.append(trunks['loss_rpn'])
        self.heads.append(found['loss_a']['head_a.weight'])


def gradients(model):
    return {
        name: None if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
    }


def trunk(grads):
    return torch.cat(
        [g.reshape(-1) for name, g in grads.items() if 'trunk' in name]
    )


AGGREGATORS = [('PCGrad', {}), ('UPGrad', {}), ('CAGrad', dict(c=0.5))]


@pytest.mark.parametrize(('name', 'options'), AGGREGATORS)
def test_the_optimizer_receives_what_the_aggregator_makes_of_the_trunk(
    tmp_path, name, options
):
    from torchjd import aggregation

    reference = Reference()
    hook = upgrad(name, options=options, scale=1.0)
    train(
        tmp_path,
        hook,
        watch=[reference],
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode='grad')),
    )
    aggregate = getattr(aggregation, name)(**options)
    assert len(reference.received) == 9
    for jacobian, rest, head, received in zip(
        reference.jacobians,
        reference.rest,
        reference.heads,
        reference.received,
        strict=True,
    ):
        torch.testing.assert_close(
            trunk(received) - rest,
            aggregate(jacobian),
            rtol=1e-3,
            atol=1e-4,
        )
        # The head is trained as if its loss had weight 1.
        torch.testing.assert_close(received['head_a.weight'], head)


def test_losses_and_gradients_are_those_of_the_iteration(tmp_path):
    reference = Reference()
    runner = train(tmp_path, gradient_hook(), watch=[reference])
    for (losses, found), expected in zip(
        weighting_of(runner).seen, reference.jacobians, strict=True
    ):
        torch.testing.assert_close(found, expected)
        assert losses.dtype == torch.float64


def test_the_weights_are_used_in_the_iteration_itself(tmp_path):
    class Total(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch, outputs):
            found = [outputs[f'loss_{x}'].item() for x in ('a', 'b')]
            totals.append(
                outputs['loss'].item()
                - outputs['loss_rpn'].item()
                - sum(
                    w * x
                    for w, x in zip(
                        [[3, 0.5], [1, 2]][len(totals) % 2],
                        found,
                        strict=True,
                    )
                )
            )

    totals = []
    script = [[3.0, 0.5], [1.0, 2.0]]
    train(
        tmp_path, gradient_hook(options=dict(script=script)), watch=[Total()]
    )
    assert totals == pytest.approx([0] * 9, abs=1e-5)


def test_weights_are_kept_in_between_and_published_as_means(tmp_path):
    watch = Weights()
    script = [[3.0, 0.5], [1.0, 2.0], [5.0, 5.0]]
    runner = train(
        tmp_path,
        gradient_hook(options=dict(script=script), every=4),
        watch=[watch],
    )
    expected = [script[0]] * 4 + [script[1]] * 4 + [script[2]]
    assert watch.found == expected
    found = rows(tmp_path)
    assert [row['epoch'] for row in found] == [1, 2, 3]
    assert found[1]['weights'] == pytest.approx([5 / 3, 1.5])
    # Of the epoch's iterations 3 to 5 the fifth one, 4, looked at losses.
    assert found[1]['losses'] == weighting_of(runner).seen[1][0].tolist()
    assert runner.model.objective_weights.reweigh is None


@pytest.mark.parametrize(
    'hook',
    [upgrad('Random'), upgrad('NashMTL', options=dict(n_tasks=2))]
    + [gradient_hook('GradNorm', dict(initial_losses='iteration'), every=2)],
)
@pytest.mark.filterwarnings('ignore:.*not DPP:UserWarning')
def test_resumed_it_goes_on_to_the_same_bits(tmp_path, hook):
    whole = train(tmp_path, hook)
    before = rows(tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    resumed = train(tmp_path, hook, resume=True)
    assert rows(tmp_path) == before
    assert len({tuple(row['weights']) for row in before}) == 3
    toy.assert_same_state(whole.model.state_dict(), resumed.model.state_dict())


@MODELS.register_module()
class FitfulDetector(toy.ToyDetector):
    """Without `loss_b` once, and once with a loss that is not finite."""

    transient_attributes = ('_calls',)  # counts over the whole run
    _calls = -1

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        self._calls += 1
        if self._calls == 1:  # 0 is the look at the model
            del found['loss_b']
        if self._calls == 3:
            found['loss_a'] = found['loss_a'] * float('inf')
        return found


def test_without_all_losses_the_weights_stay(tmp_path):
    watch = Weights()
    runner = train(
        tmp_path,
        gradient_hook(options=dict(script=[[3.0, 0.5], [1.0, 2.0]])),
        watch=[watch],
        model=dict(toy.MODEL, detector=dict(type='FitfulDetector')),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1),
    )
    assert watch.found == [[1.0, 1.0], [3.0, 0.5], [3.0, 0.5]]
    assert len(weighting_of(runner).seen) == 1


def test_some_of_the_trunk_may_be_looked_at(tmp_path):
    runner = train(tmp_path, gradient_hook(parameters=r'trunk\.1'))
    assert weighting_of(runner).seen[0][1].shape == (2, 16)  # a BatchNorm


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(parameters='head_a'),
            "such as 'trunk.1.*Found 'head_a'",
        ),
        (
            dict(parameters='('),
            r"`parameters` .*regular expression. Found '\('",
        ),
        (dict(every=0), '`every` should be an integer of at least 1'),
    ],
)
def test_bad_options_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        train(tmp_path, gradient_hook(**options))


@pytest.mark.parametrize(('mode', 'warns'), [('lr', True), ('grad', False)])
def test_a_head_rule_that_does_not_keep_up_is_named(
    tmp_path, caplog, mode, warns
):
    wrapper = dict(toy.OPTIM_WRAPPER, head_rule=dict(mode=mode))
    runner = toy.runner(
        tmp_path,
        custom_hooks=[gradient_hook()],
        optim_wrapper=wrapper,
        log_level='WARNING',
    )
    runner.logger.addHandler(caplog.handler)
    runner.train()
    assert ("`mode='grad'` is the exact one" in caplog.text) == warns


def test_periods_end_with_their_mean_losses(tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr(
        FromScript, 'end_period', lambda self, losses: found.append(losses)
    )
    runner = train(tmp_path, gradient_hook(interval=2))
    seen = torch.stack([losses for losses, _ in weighting_of(runner).seen])
    expected = [seen[first : first + 2].mean(0) for first in range(0, 9, 2)]
    torch.testing.assert_close(torch.stack(found), torch.stack(expected))


def test_a_first_period_is_not_the_whole_training(tmp_path):
    hook = gradient_hook('GradNorm', interval=9)
    with pytest.raises(ValueError, match='`interval` .* 9: GradNorm .* 9, '):
        train(tmp_path, hook)
    train(tmp_path, gradient_hook('GradNorm', interval=8))
    first, second = rows(tmp_path)
    assert first['weights'] == [1, 1]


def test_a_weighting_of_another_kind_is_refused(tmp_path):
    options = dict(weights=[1.0, 1.0])
    with pytest.raises(
        ValueError, match='should be a registered GradientWeighting'
    ):
        train(tmp_path, gradient_hook('StaticWeighting', options))


def test_without_a_trunk_there_is_nothing_to_compare(tmp_path):
    model = dict(toy.MODEL, detector=dict(type='SplitDetector'))
    with pytest.raises(ValueError, match='reached by all of a, b'):
        train(tmp_path, gradient_hook(), model=model)


@MODELS.register_module()
class SplitDetector(toy.ToyDetector):
    """Heads that share nothing."""

    def forward(self, x, y, mode='tensor'):
        self.trunk.requires_grad_(False)
        return super().forward(x, y, mode)


@OPTIM_WRAPPERS.register_module()
class BFloatOptimWrapper(OptimWrapper):
    """Autocast as of AmpOptimWrapper, which asks for an accelerator."""

    class Scaler:
        @staticmethod
        def get_scale():
            return 1024.0

    loss_scaler = Scaler

    def optim_context(self, model):
        return torch.autocast('cpu', torch.bfloat16)


def test_autocast_and_a_loss_scale_leave_the_gradients_true(tmp_path):
    half, full = (
        weighting_of(
            train(
                tmp_path / kind,
                gradient_hook(),
                optim_wrapper=dict(toy.OPTIM_WRAPPER, type=kind),
            )
        ).seen[0][1]
        for kind in ('BFloatOptimWrapper', 'OptimWrapper')
    )
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, rtol=0.1, atol=0.05)
