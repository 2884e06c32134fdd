"""Activation checkpointing: the same numbers, or a message before training."""

import pytest
import torch
from mmdet.models.backbones.resnet import BasicBlock
from mmengine.registry import MODELS

from tests.support import toy
from tests.test_engine.test_training_features import uses


@MODELS.register_module()
class CountingDetector(toy.ToyDetector):
    """Counts how often its trunk is passed through."""

    transient_attributes = ('count',)

    def __init__(self):
        super().__init__()
        self.trunk[0].register_forward_hook(self._count)
        self.count = 0

    def _count(self, *args):
        self.count += 1


COUNTING = dict(toy.MODEL, detector=dict(type='CountingDetector'))


@pytest.mark.parametrize('use', [*uses.USES, 'both'])
def test_recomputed_runs_have_the_same_bits(tmp_path, use):
    """Also the running statistics and the dropout of the trunk."""
    found, counts = [], []
    for name, modules in (('plain', None), ('recomputed', ['trunk'])):
        runner = uses.build(
            use,
            tmp_path / name,
            model=COUNTING,
            activation_checkpointing=modules,
        )
        runner.train()
        rows = uses.rows(use, tmp_path / name)
        found.append(dict(state=toy.state_of(runner.model), rows=rows))
        counts.append(runner.model.count)
    uses.assert_same(*found)
    assert counts[1] > 1.5 * counts[0]  # it is in force


def test_the_trunk_learns_though_its_input_asks_for_no_gradient(tmp_path):
    """MMEngine's own checkpointing leaves it as it is."""
    runner = uses.build('training', tmp_path, activation_checkpointing='trunk')
    runner._init_model_weights()
    before = toy.state_of(runner.model)
    runner.train()
    after = toy.state_of(runner.model)
    name = 'trunk.0.weight'
    assert (after[name] - before[name]).abs().max() > 0.01


def test_compiled_and_recomputed_runs_agree(tmp_path):
    options = dict(activation_checkpointing=['trunk'], model=toy.SMOOTH)
    plain = uses.run('training', tmp_path / 'plain', model=toy.SMOOTH)
    compiled = dict(backend='eager')
    both = uses.run('training', tmp_path / 'b', compile=compiled, **options)
    torch._dynamo.reset()
    uses.assert_close(plain, both)


@MODELS.register_module()
class BlockDetector(toy.ToyDetector):
    """Has a block of MMDetection that recomputes by itself."""

    def __init__(self):
        super().__init__()
        self.block = BasicBlock(8, 8, with_cp=True)
        self.trunk.append(Pixels(self.block))


class Pixels(torch.nn.Module):
    """Passes rows through a block for images."""

    def __init__(self, block):
        super().__init__()
        self.blocks = [block]  # not a second owner of its parameters

    def forward(self, rows):
        return self.blocks[0](rows[:, :, None, None]).flatten(1)


@pytest.mark.parametrize('use', uses.USES)
def test_reentrant_checkpointing_is_refused_before_training(tmp_path, use):
    model = dict(toy.MODEL, detector=dict(type='BlockDetector'))
    runner = uses.build(use, tmp_path, model=model)
    message = '`with_cp` .*True in block.*`activation_checkpointing`'
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert not runner.optim_wrapper.optimizer.state  # no step was made


def test_other_errors_of_autograd_are_left_alone(tmp_path):
    @MODELS.register_module(force=True)
    class BrokenDetector(toy.ToyDetector):
        def forward(self, x, y, mode='tensor'):
            found = super().forward(x, y, mode)
            if mode == 'loss':
                found['loss_a'].register_hook(self.fail)
            return found

        def fail(self, gradient):
            raise RuntimeError('broken')

    model = dict(toy.MODEL, detector=dict(type='BrokenDetector'))
    with pytest.raises(RuntimeError, match='broken'):
        uses.run('training', tmp_path, model=model)
