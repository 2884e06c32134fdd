"""A state on the disk goes back to the device that it came from."""

import torch
from mmengine.device import get_device

from mmada.engine.replicas.live_replica import LiveReplica, digest
from mmada.engine.state import StateStore
from tests.support import toy


def test_a_stored_replica_goes_on_on_its_device(tmp_path):
    adam = dict(toy.OPTIM_WRAPPER, optimizer=dict(type='Adam', lr=0.05))
    first, second = (
        toy.runner(tmp_path / name, optim_wrapper=adam)
        for name in ('first', 'second')
    )
    first.train()
    # Builds its optimizer; of other weights.
    second.optim_wrapper = second.build_optim_wrapper(second.optim_wrapper)
    source = LiveReplica(first.model, first.optim_wrapper)
    target = LiveReplica(second.model, second.optim_wrapper)
    captured = source.capture()
    assert digest(target.capture()) != digest(captured)
    store = StateStore(tmp_path / 'states', identity={})
    store.commit(1, captured)
    _, stored = store.latest()
    assert {t.device.type for t in tensors_of(stored)} == {'cpu'}
    target.restore(stored)
    assert digest(target.capture()) == digest(captured)
    for replica in (source, target):
        moments = [
            state['exp_avg']
            for state in replica.optim_wrapper.optimizer.state.values()
        ]
        assert moments
        assert {t.device.type for t in moments} == {get_device()}


def tensors_of(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [t for part in value for t in tensors_of(part)]
    return [value] if isinstance(value, torch.Tensor) else []
