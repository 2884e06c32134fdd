import math

import pytest
import torch
from mmengine.registry import MODELS
from torch.nn.functional import mse_loss

from mmada.engine.replicas.segment import NotFiniteError, train_segment
from mmada.models import ObjectiveMeter
from tests.support import toy
from tests.test_engine import lives

ONES = [1.0, 1.0]


@MODELS.register_module()
class PatchyDetector(toy.ToyDetector):
    """Its losses come and go, or fail, as the first row of `x` says."""

    def forward(self, x, y, mode='tensor'):
        marks = [float(row[0]) for row in x]
        losses = super().forward(x, y, mode)
        if MISSING in marks:
            del losses['loss_b']
        if BROKEN in marks:
            losses['loss_a'] = losses['loss_a'] * math.nan
        if ZERO in marks:
            losses['loss_b'] = [loss * 0 for loss in losses['loss_b']]
        return losses


MISSING, BROKEN, ZERO = 50.0, 60.0, 70.0


def marked(*marks):
    """Returns a batch for each mark; None leaves one as it is."""
    found = lives.batches(len(marks))
    for batch, mark in zip(found, marks, strict=True):
        if mark is not None:
            batch['x'][0] = torch.full((4,), mark)
    return found


def segment(live, batches, **options):
    return train_segment(
        live,
        [batches],
        ObjectiveMeter(live.model.objective_weights.objectives),
        **{
            'first_iter': 0,
            'max_iters': 12,
            'epoch_length': 3,
            'seed': 1,
            **options,
        },
    )


def frozen():
    """A replica that learns nothing, without randomness in its forward."""
    live = lives.build(
        detector='PatchyDetector', optimizer=dict(type='SGD', lr=0.0)
    )
    live.model.trunk[3].p = 0.0
    return live


def raw_losses(live, batch):
    """Losses a and b of a batch in training mode, made apart."""
    detector = live.model.train()
    x, y = torch.stack(batch['x']), torch.stack(batch['y'])
    features = detector.trunk(x)
    a = mse_loss(detector.head_a(features), y[:, :1])
    b = detector.head_b(features)
    return a.item(), sum(mse_loss(b[:, i], y[:, i + 1]).item() for i in (0, 1))


def test_returns_the_mean_raw_losses():
    live = frozen()
    live.model.objective_weights.set([3.0, 0.1])
    losses = [raw_losses(live, batch) for batch in lives.batches()]
    expected = [sum(column) / 3 for column in zip(*losses, strict=True)]
    found = segment(live, lives.batches())
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_a_loss_is_averaged_where_it_is_present():
    live = frozen()
    batches = marked(None, MISSING, None)
    losses = [raw_losses(live, batch) for batch in batches]
    found = segment(live, batches)
    assert found[0].item() == pytest.approx(
        sum(a for a, _ in losses) / 3, rel=1e-5
    )
    assert found[1].item() == pytest.approx(
        (losses[0][1] + losses[2][1]) / 2, rel=1e-5
    )


def test_a_loss_of_zero_counts_as_absent():
    live = frozen()
    batches = marked(None, ZERO)
    first = raw_losses(live, batches[0])[1]
    assert segment(live, batches)[1].item() == pytest.approx(first)


@pytest.mark.parametrize('mark', [MISSING, ZERO])
def test_a_loss_that_never_appears_has_no_mean(mark):
    live = lives.build(detector='PatchyDetector')
    first, second = segment(live, marked(mark, mark)).tolist()
    assert first > 0 and math.isnan(second)


@pytest.mark.parametrize('position', [0, 1, 2])
def test_stops_in_the_iteration_whose_loss_is_not_finite(
    position, monkeypatch
):
    said = []
    monkeypatch.setattr(
        'mmada.engine.replicas.segment.print_log',
        lambda text, **options: said.append(text),
    )
    live = lives.build(detector='PatchyDetector')
    marks = [None, None, None]
    marks[position] = BROKEN
    done, given = [], []

    def batches():
        for batch in marked(*marks):
            given.append(batch)
            yield batch

    with pytest.raises(NotFiniteError, match=': loss_a is nan') as caught:
        segment(live, batches(), on_iteration=done.append)
    assert ('before any step' in str(caught.value)) == (position == 0)
    assert len(given) == position + 1
    assert done == list(range(1, position + 1))
    assert said == [
        f'This training ends in iteration {position + 1}, as losses should '
        'be finite: loss_a is nan.'
    ]


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_weights_that_are_not_finite_under_finite_losses(value):
    """The loss was finite, its own step was not."""
    live = lives.build()

    def spoil(done):
        if done == 3:
            with torch.no_grad():
                live.model.head_a.bias.fill_(value)

    with pytest.raises(NotFiniteError, match='a parameter or buffer'):
        segment(live, lives.batches(), on_iteration=spoil)
    live = lives.build(optimizer=dict(type='SGD', lr=math.inf))
    with pytest.raises(NotFiniteError, match='a parameter or buffer'):
        segment(live, lives.batches(1))


def test_the_seed_decides_on_dropout():
    losses = []
    for seed, noise in ((1, 0), (1, 5), (2, 0)):
        live = lives.build()
        torch.manual_seed(noise)
        losses.append(segment(live, lives.batches(), seed=seed).tolist())
    assert losses[0] == losses[1] != losses[2]


def test_trains_in_training_mode():
    live = lives.build()
    live.model.eval()
    segment(live, lives.batches())
    assert all(module.training for module in live.model.modules())
    assert live.model.trunk[1].num_batches_tracked == 3


def test_schedules_by_epoch_step_where_an_epoch_ends():
    """Iterations 5 to 9 of epochs of three: ends after 6 and 9."""
    by_iter = dict(type='StepLR', step_size=1, gamma=0.5, by_epoch=False)
    by_epoch = dict(type='StepLR', step_size=1, gamma=0.1)
    live = lives.build([by_iter, by_epoch])
    rates = []

    def record(done):
        rates.append(live.optim_wrapper.optimizer.param_groups[0]['lr'])

    segment(live, lives.batches(5), first_iter=4, on_iteration=record)
    ends = [0, 1, 1, 1, 2]
    expected = [
        0.05 / 2**i / 10**end for i, end in zip(range(1, 6), ends, strict=True)
    ]
    assert rates == pytest.approx(expected)
    assert [s.last_step for s in live.schedulers] == [5, 2]


def test_accumulation_goes_by_the_iterations_of_the_whole_schedule():
    """The last of 12 iterations ends a group of five that is cut to two."""
    live = lives.build(accumulative_counts=5)
    changed = []
    bias = live.model.head_a.bias

    def record(done):
        changed.append(bias.item())

    segment(live, lives.batches(4), first_iter=8, on_iteration=record)
    steps = [a != b for a, b in zip(changed, changed[1:], strict=False)]
    # Iterations 9, 10, 11, 12: steps after the tenth and the twelfth.
    assert steps == [True, False, True]
