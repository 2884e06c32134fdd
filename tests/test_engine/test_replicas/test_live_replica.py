import copy
import hashlib
import math

import pytest
import torch

from mmada.engine.replicas.live_replica import digest, digests
from mmada.engine.replicas.plain_data import clone_nested, map_tensors
from mmada.engine.state import StateStore
from mmada.engine.state.payload import check_payload
from tests.test_engine import lives

WEIGHTS = ([2.0, 0.5], [0.25, 4.0], [1.0, 1.0])
COSINE = dict(type='CosineAnnealingLR', T_max=12, by_epoch=False)
STEPS = dict(type='MultiStepLR', milestones=[1, 2], gamma=0.5)
ADAM = dict(optimizer=dict(type='AdamW', lr=0.01))
KINDS = {
    'sgd': {},
    'adam': ADAM,
    'grad rule': dict(head_rule=dict(mode='grad')),
    'clipped': dict(clip_grad=dict(type='value', clip_value=0.1)),
    'accumulated': dict(accumulative_counts=3),
    'paramwise': dict(
        paramwise_cfg=dict(custom_keys=dict(trunk=dict(lr_mult=0.1)))
    ),
}


def build(**options):
    return lives.build([COSINE, STEPS], **options)


@pytest.mark.parametrize('kind', KINDS)
def test_taking_turns_equals_training_in_separate_models(kind):
    """Three replicas over two rounds, each going on from its own state."""
    live = build(**KINDS[kind])
    snapshots = [live.capture()] * 3
    for index in range(2):
        for k, weights in enumerate(WEIGHTS):
            live.restore(snapshots[k])
            assert lives.train(live, weights, index) is not None
            snapshots[k] = live.capture()
    for weights, snapshot in zip(WEIGHTS, snapshots, strict=True):
        alone = build(**KINDS[kind])
        for index in range(2):
            lives.train(alone, weights, index)
        lives.assert_equal(alone.capture(), snapshot)
    assert not torch.equal(
        snapshots[0]['parameters']['head_a.weight'],
        snapshots[1]['parameters']['head_a.weight'],
    )


def test_a_schedule_keeps_functions_of_its_own():
    """They are no part of a snapshot, which is stored without code."""
    cycle = dict(
        type='OneCycleLR', eta_max=0.1, total_steps=12, by_epoch=False
    )
    live, alone = lives.build([cycle]), lives.build([cycle])
    start = live.capture()
    for index in range(2):
        lives.train(alone, WEIGHTS[0], index)
    lives.train(live, WEIGHTS[1])
    live.restore(start)
    for index in range(2):
        lives.train(live, WEIGHTS[0], index)
        snapshot = live.capture()
        check_payload(snapshot['schedulers'])
        live.restore(snapshot)
    lives.assert_equal(alone.capture(), snapshot)


def test_a_snapshot_holds_all_that_training_changes():
    live = build()
    before = live.capture()
    lives.train(live, WEIGHTS[0])
    after = live.capture()
    assert before['optimizer']['state'] == {}
    momentum = after['optimizer']['state'][0]['momentum_buffer']
    assert momentum.abs().sum() > 0
    for part in ('running_mean', 'running_var', 'num_batches_tracked'):
        name = f'trunk.1.{part}'
        assert not torch.equal(before['buffers'][name], after['buffers'][name])
    rate = after['schedulers'][0]['_last_value'][0]
    # The second scheduler halves at the end of its first epoch.
    cosine = 0.05 * (1 + math.cos(math.pi * 3 / 12)) / 2
    assert rate == pytest.approx(cosine)
    group = after['optimizer']['param_groups'][0]
    assert group['lr'] == pytest.approx(cosine / 2)
    assert [s['last_step'] for s in after['schedulers']] == [3, 1]


@pytest.mark.parametrize('options', [{}, ADAM])
def test_a_snapshot_is_tied_to_nothing(options):
    live = build(**options)
    lives.train(live, WEIGHTS[0])
    snapshot = live.capture()
    kept = copy.deepcopy(snapshot)
    lives.train(live, WEIGHTS[1], 1)
    lives.assert_equal(snapshot, kept)
    live.restore(snapshot)
    lives.train(live, WEIGHTS[1], 1)
    lives.assert_equal(snapshot, kept)


def test_a_snapshot_may_be_restored_many_times():
    live = build()
    lives.train(live, WEIGHTS[0])
    snapshot = live.capture()
    assert 'base_param_settings' in snapshot['optimizer']
    for index in range(2):
        lives.train(live, WEIGHTS[1], index)
        live.restore(snapshot)
        lives.assert_equal(live.capture(), snapshot)


def test_gradients_of_another_replica_are_dropped():
    live = build(accumulative_counts=2)
    start = live.capture()
    lives.train(live, WEIGHTS[0], count=1)
    assert live.model.head_a.weight.grad is not None
    live.restore(start)
    assert all(p.grad is None for p in live.model.parameters())


def test_buffers_that_no_checkpoint_has_are_kept():
    live = build()
    live.model.register_buffer('queue', torch.zeros(2), persistent=False)
    snapshot = live.capture()
    live.model.queue.fill_(3)
    live.restore(snapshot)
    assert live.model.queue.tolist() == [0, 0]


def test_restoring_the_model_leaves_optimizer_and_schedules():
    live = build()
    start = live.capture()
    lives.train(live, WEIGHTS[0])
    trained = live.capture()
    live.restore_model(start)
    found = live.capture()
    for part in ('parameters', 'buffers'):
        lives.assert_equal(found[part], start[part])
    for part in ('optimizer', 'schedulers'):
        lives.assert_equal(found[part], trained[part])
    assert all(p.requires_grad for p in live.model.parameters())


def test_other_schedules_than_captured_are_refused():
    snapshot = build().capture()
    with pytest.raises(ValueError, match='longer than'):
        lives.build([COSINE]).restore(snapshot)


@pytest.mark.parametrize('name', ['head_a.weight', 'trunk.1.running_var'])
@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_one_value_that_is_not_finite_is_found(name, value):
    live = build()
    assert live.is_finite()
    state = live.model.state_dict()
    state[name].flatten()[-1] = value
    assert not live.is_finite()


def test_clones_keep_the_types_and_share_no_tensor():
    leaf = torch.ones(2, requires_grad=True)
    value = dict(a=[leaf, (leaf, 1, 'x', None)], b={3: leaf})
    cloned = clone_nested(value)
    lives.assert_equal(cloned, value)
    with torch.no_grad():
        leaf.zero_()
    for found in (cloned['a'][0], cloned['a'][1][0], cloned['b'][3]):
        assert found.tolist() == [1, 1]
        assert not found.requires_grad


def test_a_function_is_applied_to_every_tensor_and_to_nothing_else():
    value = dict(a=[torch.ones(2), (torch.zeros(1), 1, 'x', None)], b={3: 4})
    found = map_tensors(value, lambda tensor: tensor.tolist())
    assert found == dict(a=[[1, 1], ([0], 1, 'x', None)], b={3: 4})


def test_a_tensor_counts_by_type_shape_and_bytes():
    value = torch.tensor([1.0, -0.0])
    expected = hashlib.sha256(
        b'torch.float32 (2,)' + bytes.fromhex('0000803f00000080')
    )
    assert digest(value) == expected.hexdigest()
    assert digest(value[None]) != digest(value)
    assert digest(value.double()) != digest(value)
    assert digest(torch.tensor([1.0, 0.0])) != digest(value)


def test_views_and_gradients_do_not_matter():
    value = torch.arange(6.0).reshape(2, 3)
    assert digest(value.t()) == digest(value.t().contiguous())
    assert digest(value.clone().requires_grad_()) == digest(value)


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (dict(a=1, b=2), dict(b=2, a=1)),
        (dict(a=1), dict(a=1.0)),
        ([1, [2]], [1, 2]),
        ([1, 2], [12]),
        (dict(a=[]), dict(a={})),
        ('1', 1),
        (None, 'None'),
        (float('nan'), 0.0),
    ],
)
def test_other_values_have_other_digests(first, second):
    assert digest(first) != digest(second)


@pytest.mark.parametrize(
    'value',
    [
        torch.tensor(3),
        torch.empty(0, 2),
        torch.tensor([True]),
        torch.ones(2, dtype=torch.bfloat16),
        dict(a=[(1, None), 'x'], b={3: float('nan')}),
    ],
)
def test_equal_values_have_equal_digests(value):
    assert digest(value) == digest(value)
    assert digest(value) != digest([value])


def test_leaves_are_named_by_their_path():
    value = dict(a=dict(x=torch.ones(1), y=2), b=[3])
    found = digests(value)
    assert list(found) == ['a.x', 'a.y', 'b']
    assert found['a.x'] == digest(torch.ones(1))


def test_a_stored_state_of_what_is_not_there_is_refused(tmp_path):
    """It would be left out, such as the average of a hook that is gone."""
    live = build()
    snapshot = live.capture('cpu') | dict(attributes={'hook_EMA_0': []})
    store = StateStore(tmp_path, {})
    store.commit(0, {}, dict(start=snapshot))
    with pytest.raises(ValueError, match="the stored state of 'hook_EMA_0'"):
        live.adopt(store.parts(0)['start'])
