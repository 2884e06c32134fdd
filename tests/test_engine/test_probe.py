import contextlib
import copy
import json
import logging
import random

import numpy as np
import pytest
import torch
import torch.distributed as torch_dist
from mmengine.model import BaseDataPreprocessor
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from torch import nn

from mmada.engine.owners import find_owners
from mmada.engine.probe import (
    MAX_BATCHES,
    OwnerUpdates,
    probe_objectives,
    unwrap,
)
from mmada.models import ObjectiveError
from tests.support import processes, toy
from tests.test_engine import lives


@MODELS.register_module()
class LateDetector(toy.ToyDetector):
    """Has `loss_b` from the batch on that `x` marks; `loss_a` moves on.

    Without `loss_b` the loss a goes through `early`, with it through `late`.
    """

    transient_attributes = ('calls', 'modes')

    def __init__(self):
        super().__init__()
        self.early = nn.Linear(1, 1)
        self.late = nn.Linear(1, 1)
        self.frozen = nn.Linear(1, 1).requires_grad_(False)
        self.calls = 0
        self.own_calls = []
        self.modes = []

    def forward(self, x, y, mode='tensor'):
        self.calls += 1
        self.own_calls.append(self.calls)
        self.modes.append((mode, self.training))
        losses = super().forward(x, y, mode)
        marked = any(float(row[0]) == MARK for row in x)
        branch = self.late if marked else self.early
        value = self.frozen(branch(losses['loss_a'].reshape(1, 1)))
        losses['loss_a'] = value.square().mean()
        if not marked:
            del losses['loss_b']
        random.random(), np.random.random()
        return losses


MARK = 50.0


def stream(position, count=9):
    """Yields batches of which the one at `position` has `loss_b`."""
    for i, batch in enumerate(lives.batches(count)):
        if i == position:
            batch['x'][0] = torch.full((4,), MARK)
        yield batch


def build(detector='LateDetector', **options):
    return lives.build(detector=detector, owners=False, **options)


def probe(live, batches):
    probe_objectives(live.model, live.optim_wrapper, batches)


def owners(live):
    """Objectives by parameter, as the head rule sees them."""
    names = {id(p): name for name, p in live.model.named_parameters()}
    return {
        names[id(group['params'][0])]: group['objectives']
        for group in live.optim_wrapper.optimizer.param_groups
    }


def test_each_part_belongs_to_the_losses_that_reach_it():
    live = lives.build(owners=False)
    probe(live, lives.batches())
    expected = dict(trunk=[0, 1], head_a=[0], head_b=[1], rpn=[])
    found = owners(live)
    assert found
    for name, objectives in found.items():
        assert objectives == expected[name.split('.')[0]], name


@pytest.mark.parametrize('position', [0, 1, MAX_BATCHES - 1])
def test_looks_on_until_every_objective_was_seen(position):
    live = build()
    probe(live, stream(position))
    assert live.model.calls == position + 1
    assert live.model.own_calls == []  # no trace of it is left
    found = owners(live)
    assert found['late.weight'] == [0]
    # The union: earlier batches went through another branch.
    assert found['early.weight'] == ([0] if position else [])
    assert found['head_b.weight'] == [1]
    assert found['trunk.0.weight'] == [0, 1]
    assert found['frozen.weight'] == []


@MODELS.register_module()
class TurnsDetector(toy.ToyDetector):
    """Has one of its two losses in each batch."""

    def forward(self, x, y, mode='tensor'):
        losses = super().forward(x, y, mode)
        marked = any(float(row[0]) == MARK for row in x)
        del losses['loss_a' if marked else 'loss_b']
        return losses


def test_losses_may_be_spread_over_batches():
    live = lives.build(detector='TurnsDetector', owners=False)
    probe(live, stream(1, 2))
    found = owners(live)
    assert found['head_a.weight'] == [0]
    assert found['head_b.weight'] == [1]
    assert found['trunk.0.weight'] == [0, 1]


def test_looks_at_the_losses_of_training():
    live = build()
    live.model.eval()
    with torch.no_grad():
        probe(live, stream(0))
    assert live.model.modes == [('loss', True)]
    assert owners(live)['head_b.weight'] == [1]


class Recorder(BaseDataPreprocessor):
    """Keeps whether it is asked to augment as in training."""

    transient_attributes = ('calls',)

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, data, training=False):
        self.calls.append(training)
        return super().forward(data, training)


def test_a_batch_is_treated_as_in_training(monkeypatch):
    live = build()
    live.model.data_preprocessor = recorder = Recorder()
    entered = []

    @contextlib.contextmanager
    def context(model):
        entered.append(model)
        yield

    monkeypatch.setattr(live.optim_wrapper, 'optim_context', context)
    probe(live, stream(0))
    assert recorder.calls == [True]
    assert entered == [live.model]


def test_gives_up_after_a_few_batches():
    live = build()
    with pytest.raises(ObjectiveError, match="'b'.*loss_a, loss_rpn"):
        probe(live, stream(MAX_BATCHES))
    assert live.model.calls == MAX_BATCHES


def test_gives_up_at_the_end_of_the_data():
    with pytest.raises(ObjectiveError, match="'b'"):
        probe(build(), stream(None, 2))


def draw():
    return random.random(), np.random.random(), torch.rand(()).item()


def test_leaves_no_trace():
    live = build()
    detector = live.model
    detector.register_buffer('count', torch.zeros(1), persistent=False)
    detector.head_a.weight.grad = torch.full((1, 8), 3.0)
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    expected = draw()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    before = live.capture()
    probe(live, stream(1))
    assert draw() == expected
    after = live.capture()
    for part in ('parameters', 'buffers', 'schedulers'):
        lives.assert_equal(after[part], before[part])
    assert after['optimizer']['state'] == {}
    assert detector.head_a.weight.grad.tolist() == [[3.0] * 8]
    others = [n for n, p in live.model.named_parameters() if p.grad is None]
    assert len(others) == len(list(live.model.parameters())) - 1
    assert not detector.frozen.weight.requires_grad


def test_a_part_that_is_always_in_evaluation_stays_there():
    class Fixed(nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(False)

    live = build()
    live.model.frozen = Fixed(1).requires_grad_(False)
    live.model.eval()
    probe(live, stream(0))
    assert not live.model.frozen.training


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_the_rule_acts_after_the_probe_and_only_once(mode):
    """One step with a weight of 4 moves head a as one with a weight of 1."""
    moved = []
    for weights in ([1.0, 1.0], [4.0, 1.0]):
        live = lives.build(
            owners=False,
            head_rule=dict(mode=mode),
            optimizer=dict(type='SGD', lr=0.1),
        )
        probe(live, lives.batches())
        before = live.model.head_a.weight.detach().clone()
        lives.train(live, weights, count=1)
        moved.append(live.model.head_a.weight.detach() - before)
    torch.testing.assert_close(moved[0], moved[1])


def build_auto(detector='ToyDetector'):
    return lives.build(detector=detector, owners=False, objectives='auto')


def test_auto_objectives_are_the_losses_in_their_order():
    live = build_auto()
    probe(live, lives.batches())
    names = ('loss_rpn', 'loss_a', 'loss_b')
    assert live.model.objective_weights.objectives.names == names
    assert owners(live)['rpn.weight'] == [0]


@pytest.mark.parametrize('position', [0, 1, MAX_BATCHES - 1])
def test_auto_objectives_may_be_absent_from_the_first_batches(position):
    live = build_auto('LateDetector')
    probe(live, stream(position))
    names = ('loss_rpn', 'loss_a', 'loss_b')
    assert live.model.objective_weights.objectives.names == names
    assert live.model.calls == MAX_BATCHES
    found = owners(live)
    assert found['rpn.weight'] == [0]
    assert found['head_a.weight'] == [1]
    assert found['head_b.weight'] == [2]
    assert found['trunk.0.weight'] == [0, 1, 2]
    assert live.model.objective_weights.values == (1.0, 1.0, 1.0)


def test_owners_of_auto_are_looked_for_only_where_a_loss_is_new(monkeypatch):
    calls = []

    def spy(objectives, parameters):
        calls.append(sorted(objectives))
        return find_owners(objectives, parameters)

    monkeypatch.setattr('mmada.engine.probe.find_owners', spy)
    probe(build_auto('LateDetector'), stream(2))
    assert calls == [[0, 1], [0, 1, 2]]


def test_a_loss_later_than_the_probe_keeps_weight_1(monkeypatch):
    warnings = []
    monkeypatch.setattr(
        'mmada.models.objective_weights.print_log',
        lambda text, **options: warnings.append((text, options['level'])),
    )
    live = build_auto('LateDetector')
    probe(live, stream(MAX_BATCHES))
    assert live.model.objective_weights.objectives.names == (
        'loss_rpn',
        'loss_a',
    )
    live.model.objective_weights.set([1.0, 5.0])
    (batch,) = stream(0, 1)
    losses = live.model(**batch, mode='loss')
    for _ in range(2):
        total, _ = live.model.parse_losses(losses)
    expected = (
        losses['loss_rpn']
        + 5 * losses['loss_a']
        + sum(loss.mean() for loss in losses['loss_b'])
    )
    torch.testing.assert_close(total, expected)
    ((text, level),) = warnings
    assert text.startswith("Loss 'loss_b' was in none")
    assert level == logging.WARNING


class SumOfRanks(torch.autograd.Function):
    """Sums over the ranks, gradients too, as SyncBN does."""

    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        torch_dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        torch_dist.all_reduce(gradient)
        return gradient


@MODELS.register_module()
class MeetingDetector(LateDetector):
    """Waits for the other ranks in its forward pass and in the backward."""

    def __init__(self):
        super().__init__()
        self.trunk.append(_Meeting())


class _Meeting(torch.nn.Module):
    def forward(self, x):
        return SumOfRanks.apply(x)


def look(objectives, detector):
    """Prints the objectives, the owners, and how many batches were seen.

    Args:
        objectives: 'auto' or 'patterns'.
        detector: Type of the detector.
    """
    processes.join()
    make = build_auto if objectives == 'auto' else build
    live = make(detector=detector)
    # Only rank 1 has a batch with the loss b, its second one.
    rank = torch_dist.get_rank()
    probe(live, stream(1 if rank == 1 else None))
    calls = live.model.calls
    print(
        json.dumps(
            (
                live.model.objective_weights.objectives.names,
                owners(live),
                calls,
            )
        )
    )


@pytest.mark.parametrize('detector', ['LateDetector', 'MeetingDetector'])
@pytest.mark.parametrize('objectives', ['auto', 'patterns'])
def test_what_one_rank_sees_all_ranks_know(objectives, detector):
    """Even if all ranks have to take part in each pass of the model."""
    workers = processes.start(look, 2, objectives, detector)
    codes, outputs = processes.finish(workers, timeout=60)
    assert codes == [0, 0], '\n'.join(outputs)
    first, second = (json.loads(o.splitlines()[-1]) for o in outputs)
    assert first == second
    names, found, calls = first
    assert calls == (MAX_BATCHES if objectives == 'auto' else 2)
    b = len(names) - 1
    assert 'b' in names[b]
    assert found['head_b.weight'] == [b]
    assert b in found['trunk.0.weight']


def test_finds_the_wrapper_inside_a_model_wrapper():
    live = lives.build(owners=False)
    parallel = nn.DataParallel(live.model)
    assert unwrap(parallel) is unwrap(live.model) is live.model
    probe_objectives(parallel, live.optim_wrapper, lives.batches())
    assert owners(live)['head_a.weight'] == [0]


def test_a_bare_detector_is_named():
    with pytest.raises(
        TypeError, match='`model.type` should .*Found ToyDetector'
    ):
        unwrap(toy.ToyDetector())


@MODELS.register_module()
class DetachedDetector(toy.ToyDetector):
    """`loss_b` has no gradient in the first batches, or in none."""

    transient_attributes = ('calls',)

    def __init__(self, without=MAX_BATCHES):
        super().__init__()
        self.without = without
        self.calls = 0

    def forward(self, x, y, mode='tensor'):
        losses = super().forward(x, y, mode)
        self.calls += 1
        if self.calls <= self.without:
            losses['loss_b'] = torch.zeros(())
        return losses


@MODELS.register_module()
class WeightedNameDetector(toy.ToyDetector):
    """Has a loss of the name that the log gives a weighted one."""

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        if mode != 'predict':
            found['weighted.loss_a'] = found['loss_a'] * 2
        return found


@pytest.mark.parametrize(
    'options',
    [
        dict(
            custom_hooks=[
                dict(
                    type='LossWeightingHook',
                    weighting=dict(type='InverseLossWeighting'),
                )
            ]
        ),
        dict(train_cfg=toy.exploration()),
        {},
    ],
)
def test_a_loss_of_the_name_of_a_weighted_one_is_named_before_a_step(
    tmp_path, options
):
    model = dict(toy.MODEL, detector=dict(type='WeightedNameDetector'))
    runner = toy.runner(tmp_path, model=model, **options)
    before = toy.state_of(runner.model.head_a)
    with pytest.raises(ObjectiveError, match="Found 'weighted.loss_a'"):
        runner.train()
    toy.assert_same_state(runner.model.head_a.state_dict(), before)


@MODELS.register_module()
class MisnamedDetector(toy.ToyDetector):
    """Returns a regulariser that MMEngine does not sum, and two values."""

    def forward(self, x, y, mode='tensor'):
        losses = super().forward(x, y, mode)
        norm = self.head_b.weight.square().sum()
        return losses | dict(extra_reg=[norm, norm], norm=norm.detach(), num=3)


def look_at(monkeypatch, detector, objectives):
    """Returns the replica after the look, and the warnings of it."""
    warnings = []
    monkeypatch.setattr(
        'mmada.engine.probe.print_log',
        lambda text, level=logging.INFO, **_: (
            warnings.append(text) if level == logging.WARNING else None
        ),
    )
    live = build(detector, objectives=objectives)
    probe(live, lives.batches(MAX_BATCHES))
    return live, warnings


def look_at_detached(monkeypatch, objectives, **options):
    detector = dict(type='DetachedDetector', **options)
    return look_at(monkeypatch, detector, objectives)


@pytest.mark.parametrize('objectives', ['auto', None])
def test_what_trains_nothing_for_its_name_is_warned_of(
    objectives, monkeypatch
):
    _, (warning,) = look_at(monkeypatch, 'MisnamedDetector', objectives)
    assert warning.startswith("The model returns 'extra_reg' with a gradient")


@pytest.mark.parametrize('objectives', ['auto', None])
def test_looks_on_until_every_objective_has_a_gradient(
    objectives, monkeypatch
):
    live, warnings = look_at_detached(monkeypatch, objectives, without=2)
    names = live.model.objective_weights.objectives.names
    assert owners(live)['head_b.weight'] == [len(names) - 1]
    assert warnings == []


@pytest.mark.parametrize(
    ('objectives', 'name'), [('auto', 'loss_b'), (None, 'b')]
)
def test_an_objective_that_reaches_no_parameter_is_warned_of(
    objectives, name, monkeypatch
):
    live, (warning,) = look_at_detached(monkeypatch, objectives)
    assert warning.startswith(f'Objective(s) {name!r} reach no trainable')
    assert owners(live)['head_b.weight'] == []


def test_a_model_that_is_frozen_as_a_whole_is_looked_at_once(monkeypatch):
    """As in a dry run, where no gradient tells what trains."""
    live = build('DetachedDetector')
    live.module.requires_grad_(False)
    warnings = []
    monkeypatch.setattr(
        'mmada.engine.probe.print_log',
        lambda text, level=logging.INFO, **_: warnings.append(level),
    )
    batches = iter(lives.batches(MAX_BATCHES))
    probe(live, batches)
    assert len(list(batches)) == MAX_BATCHES - 1
    assert logging.WARNING not in warnings


def test_an_objective_that_appears_late_is_not_warned_of(monkeypatch):
    objectives = dict(
        a='loss_a', b='loss_b', late=dict(pattern='loss_c', late=True)
    )
    _, warnings = look_at_detached(monkeypatch, objectives, without=0)
    assert warnings == []


@MODELS.register_module()
class ZeroSum(toy.ToyDetector):
    """Adds nothing of all parameters, as is done for DDP."""

    where = 'loss_a'

    def __init__(self, form):
        super().__init__()
        self.form = form
        self.unused = nn.Linear(1, 1)

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        parameters = list(self.parameters())
        nothing = {
            'sum': lambda: 0.0 * sum(p.sum() for p in parameters),
            'sums': lambda: sum(p.sum() * 0 for p in parameters),
            'products': lambda: sum((p * 0).sum() for p in parameters),
            'tensor': lambda: (
                torch.tensor(0.0) * sum(p.mean() for p in parameters)
            ),
        }[self.form]()
        found['loss_a'] = found['loss_a'] + nothing
        return found


@pytest.mark.parametrize('form', ['sum', 'sums', 'products', 'tensor'])
def test_a_sum_of_all_parameters_times_zero_reaches_no_other_head(form):
    live = lives.build(detector='ToyDetector', owners=False)
    live.model = MODELS.build(
        dict(toy.MODEL, detector=dict(type='ZeroSum', form=form))
    )
    live.optim_wrapper = build_optim_wrapper(
        live.model, copy.deepcopy(toy.OPTIM_WRAPPER)
    )
    probe(live, lives.batches())
    found = owners(live)
    assert found['head_b.weight'] == [1]
    assert found['head_a.weight'] == [0]
    assert found['trunk.0.weight'] == [0, 1]


@MODELS.register_module()
class NoPositives(toy.ToyDetector):
    """Its `loss_b` is nothing but a product with 0."""

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        found['loss_b'] = sum(part.sum() for part in found['loss_b']) * 0
        return found


def test_a_loss_of_a_batch_without_positives_keeps_its_head():
    live = lives.build(detector='NoPositives', owners=False)
    probe(live, lives.batches())
    found = owners(live)
    assert found['head_b.weight'] == [1]
    assert found['trunk.0.weight'] == [0, 1]


@MODELS.register_module()
class SilentHead(toy.ToyDetector):
    """Has no loss of the second head yet."""

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        found.pop('loss_b')
        return found


def test_owners_of_a_state_that_is_put_back_are_shielded():
    """As of a late loss that had appeared before a search was resumed."""
    live = lives.build(
        detector='SilentHead',
        owners=False,
        objectives=dict(a='loss_a', b=dict(pattern='loss_b', late=True)),
        head_rule=dict(mode='grad'),
    )
    probe_objectives(live.model, live.optim_wrapper, [lives.batch(0, 1)])
    owners = OwnerUpdates(live.model, live.optim_wrapper)
    state = live.optim_wrapper.state_dict()
    weight = live.module.head_b.weight
    names = [name for name, _ in live.module.named_parameters()]
    state['param_groups'][names.index('head_b.weight')]['objectives'] = [1]
    live.optim_wrapper.load_state_dict(state)
    live.module.objective_weights.set([1.0, 4.0])
    owners.begin()
    weight.sum().backward()
    assert weight.grad.tolist() == [[0.25] * 8] * 2


@MODELS.register_module()
class EmptyLevel(toy.ToyDetector):
    """Has a level whose boxes are multiplied by 0, for lack of positives."""

    def __init__(self):
        super().__init__()
        self.level = nn.Linear(8, 8)

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        if mode == 'loss':
            level = self.level(self.trunk(torch.stack(list(x))))
            found['loss_a'] = found['loss_a'] + self.head_a(level).mean()
            found['loss_b'] = [*found['loss_b'], self.head_b(level).sum() * 0]
        return found


def test_a_level_without_positives_belongs_to_the_trunk():
    live = lives.build(detector='EmptyLevel', owners=False)
    probe(live, lives.batches())
    assert owners(live)['level.weight'] == [0, 1]
