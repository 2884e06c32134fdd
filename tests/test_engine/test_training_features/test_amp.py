"""AmpOptimWrapper: bfloat16 with a GradScaler, on the CPU."""

import math

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from tests.test_engine import lives
from tests.test_engine.test_training_features import two_heads, uses

pytestmark = pytest.mark.usefixtures('amp_on_cpu')

# A scale that is a power of two changes no bit of a gradient.
SCALED = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(init_scale=1024.0, growth_interval=2),
)


@OPTIM_WRAPPERS.register_module()
class UnscaledOptimWrapper(OptimWrapper):
    """The same autocast without a scale."""

    def optim_context(self, model):
        return torch.autocast('cpu', torch.bfloat16)


@pytest.mark.parametrize('use', [*uses.USES, 'both'])
def test_a_scale_changes_no_bit_of_a_run_in_half_precision(tmp_path, use):
    full, unscaled, scaled = (
        uses.run(use, tmp_path / str(k), optim=optim)
        for k, optim in enumerate(
            [{}, dict(type='UnscaledOptimWrapper'), SCALED]
        )
    )
    uses.assert_same(unscaled, scaled)
    assert uses.largest_difference(full, scaled) > 0  # autocast is in force
    uses.assert_close(full, scaled, rtol=0.1, atol=0.1)


def test_a_resumed_search_keeps_its_scale(tmp_path):
    """The scale of the winner goes on, in the states as in memory."""
    runner = uses.build('exploration', tmp_path, optim=SCALED)
    runner.train()
    # 1024 doubled every second of six steps in each of two rounds of three.
    scale = runner.optim_wrapper.loss_scaler.get_scale()
    assert scale == 1024.0 * 2**3
    again = uses.build('exploration', tmp_path, optim=SCALED, resume=True)
    again.train()
    assert again.optim_wrapper.loss_scaler.get_scale() == scale


@pytest.mark.parametrize('mode', ['lr', 'grad'])
@pytest.mark.parametrize('scale', [1.0, 1024.0])
def test_the_head_rule_and_clipping_see_gradients_unscaled(mode, scale):
    model, optim_wrapper = two_heads.build(
        mode,
        type='AmpOptimWrapper',
        loss_scale=scale,
        clip_grad=dict(type='value', clip_value=3.0),
    )
    two_heads.step(model, optim_wrapper)
    # Gradients: trunk 26, heads 2 and 4 before, 1 and 1 after the rule.
    # Clipped to 3: trunk 3; heads 2 and 3 if the rule comes later, by rate.
    heads = [3 - 0.1, 5 - 0.1]
    if mode == 'lr':
        heads = [3 - 0.1 / 2 * 2, 5 - 0.1 / 4 * 3]
    assert two_heads.values(model) == pytest.approx([1 - 0.1 * 3, *heads])


@pytest.mark.parametrize('mode', ['lr', 'grad'])
@pytest.mark.parametrize('clip', [None, dict(max_norm=1e6)])
def test_a_step_that_overflows_is_left_out_and_lowers_the_scale(mode, clip):
    model, optim_wrapper = two_heads.build(
        mode,
        type='AmpOptimWrapper',
        loss_scale=dict(init_scale=2.0**10),
        clip_grad=clip,
    )
    two_heads.step(model, optim_wrapper, 2.0**120)
    assert two_heads.values(model) == two_heads.START
    assert optim_wrapper.loss_scaler.get_scale() == 2.0**9
    groups = optim_wrapper.optimizer.param_groups
    assert [group['lr'] for group in groups] == [0.1] * 3
    two_heads.step(model, optim_wrapper)
    assert two_heads.values(model) == pytest.approx([-1.6, 2.9, 4.9])


def amp_replica():
    """Its gradients overflow if they reach 256."""
    return lives.build(
        type='AmpOptimWrapper',
        dtype='bfloat16',
        loss_scale=dict(init_scale=2.0**120, growth_interval=2),
        optimizer=dict(type='SGD', lr=1e-6, momentum=0.9),
    )


def scale_of(live):
    return live.optim_wrapper.loss_scaler.get_scale()


def test_replicas_that_overflow_leave_the_scale_of_the_others_alone():
    live = amp_replica()
    start = live.capture()
    snapshots, scales = [], []
    for weights in ([1e4, 1e4], [1.0, 1.0], [math.inf, 1.0]):
        live.restore(start)
        assert scale_of(live) == 2.0**120
        if math.isfinite(weights[0]):
            lives.train(live, weights)
        else:  # a replica that diverges: every step is left out
            live.model.objective_weights._values = tuple(weights)
            batch = lives.batches(1)[0]
            live.model.train_step(batch, live.optim_wrapper)
        snapshots.append(live.capture())
        scales.append(scale_of(live))
    assert scales == [2.0**117, 2.0**121, 2.0**119]
    for weights, snapshot in zip(
        ([1e4, 1e4], [1.0, 1.0]), snapshots, strict=False
    ):
        alone = amp_replica()
        lives.train(alone, weights)
        lives.assert_equal(alone.capture(), snapshot)
        live.restore(snapshot)
        lives.assert_equal(live.capture(), snapshot)


def test_a_replica_may_follow_one_that_failed_in_the_middle_of_a_step():
    """The scaler had unscaled its gradients, and refuses to do so twice."""
    live = lives.build(
        type='AmpOptimWrapper',
        dtype='bfloat16',
        clip_grad=dict(max_norm=1.0),
    )
    start = live.capture()
    live.model.objective_weights.set([1.0, 1.0])
    clip, live.optim_wrapper.clip_func = live.optim_wrapper.clip_func, fail
    with pytest.raises(MemoryError):
        lives.train(live, [1.0, 1.0])
    live.optim_wrapper.clip_func = clip
    live.restore(start)
    assert lives.train(live, [1.0, 1.0]) is not None


def test_a_scale_of_the_process_is_refused(tmp_path):
    runner = uses.build(
        'training', tmp_path, optim=dict(type='ApexOptimWrapper')
    )
    with pytest.raises(ValueError, match="should be 'AmpOptim.*Found 'Apex"):
        runner.train()


def fail(*args, **kwargs):
    raise MemoryError
