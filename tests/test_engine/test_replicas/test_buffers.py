import torch
from torch import nn

from mmada.engine.probe import probe_objectives
from mmada.engine.replicas.buffers import Buffers
from tests.support import toy
from tests.test_engine import lives


class GrowingBuffers(toy.ToyDetector):
    """Makes a buffer, fills in one and lengthens one in each iteration."""

    def __init__(self):
        super().__init__()
        self.register_buffer('bank', None)
        self.register_buffer('seen', torch.zeros(1))

    def forward(self, x, y, mode='tensor'):
        if not hasattr(self, 'late'):
            self.register_buffer('late', torch.ones(2))
        self.bank = torch.ones(3) if self.bank is None else self.bank + 1
        self.seen = torch.cat([self.seen, self.seen[-1:] + 1])
        return super().forward(x, y, mode)


toy.MODELS.register_module()(GrowingBuffers)


def test_buffers_that_a_training_makes_or_resizes_are_put_back():
    live = lives.build(detector='GrowingBuffers')
    model = live.module
    start = live.capture()
    assert list(start['buffers']).count('seen') == 1
    assert lives.train(live, [1.0, 1.0]) is not None
    later = live.capture()
    steps = len(model.seen) - 1
    assert steps > 1
    live.restore(start)
    assert model.seen.tolist() == [0]
    assert model.bank is None
    assert not hasattr(model, 'late')
    live.restore(later)
    assert model.seen.tolist() == list(range(steps + 1))
    assert model.bank.tolist() == [steps] * 3
    assert model.late.tolist() == [1, 1]
    lives.assert_equal(live.capture(), later)


def test_the_look_at_a_model_leaves_no_buffer():
    live = lives.build(detector='GrowingBuffers', owners=False)
    probe_objectives(live.model, live.optim_wrapper, [lives.batch(0, 1, 2)])
    assert live.module.bank is None
    assert live.module.seen.tolist() == [0]
    assert not hasattr(live.module, 'late')


def test_a_buffer_that_fits_keeps_its_place():
    norm = nn.BatchNorm1d(2)
    buffers, mean = Buffers(norm), norm.running_mean
    kept = buffers.capture()
    norm.running_mean.fill_(3)
    norm.running_var = torch.full((2,), 5.0)
    buffers.restore(kept)
    assert norm.running_mean is mean
    assert mean.tolist() == [0, 0]
    assert norm.running_var.tolist() == [1, 1]
