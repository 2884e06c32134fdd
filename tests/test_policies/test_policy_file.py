"""A policy file loads as what was saved, or says why it does not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from mmada.controllers import AdaSegment, ConstantPolicy, PolicyEnsemble
from mmada.policies import policy_file
from mmada.policies.policy_file import (
    PolicyFileError,
    _digest,
    _read_header,
    encode_policy,
    load_policy,
    save_policy,
)
from tests.test_faults.damage import CLOTHING, Payload

NAMES = ('cls', 'box', 'seg')
LOSSES = torch.tensor([0.3, 0.1, 1.2], dtype=torch.float64)
LATER = LOSSES * torch.tensor([0.5, 0.9, 0.7])


def search(preset: str = 'stable', num_rounds: int = 2) -> PolicyEnsemble:
    controller = AdaSegment(
        num_objectives=3, num_rounds=num_rounds, num_replicas=4, preset=preset
    )
    for _ in range(num_rounds):
        controller.propose(LOSSES)
        controller.observe(torch.tensor([1.0, 3.0, 2.0, 4.0]), 1.5)
    return controller.ensemble().named(NAMES)


def schedule() -> PolicyEnsemble:
    """What a search without a network leaves: weights of two rounds."""
    weights = torch.tensor([[1.0, 2.0, 0.25], [0.5, 8.0, 1.0]]).double()
    policies = tuple(map(ConstantPolicy.of, weights))
    for policy in policies:
        policy.requires_grad_(False)
    return PolicyEnsemble(policies, LOSSES, weights[1], objectives=NAMES)


ENSEMBLE = search()
DATA = encode_policy(ENSEMBLE, dict(detector='toy'))


def same(first: PolicyEnsemble, second: PolicyEnsemble) -> bool:
    return (
        first.objectives == second.objectives
        and first.gamma == second.gamma
        and first.floor == second.floor
        and torch.equal(first.best_weights, second.best_weights)
        and torch.equal(first.initial_losses, second.initial_losses)
        and first.num_rounds == second.num_rounds
        and all(
            torch.equal(
                first.weights(epoch, 3, LATER), second.weights(epoch, 3, LATER)
            )
            for epoch in (1, 2, 3)
        )
    )


def signed(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> bytes:
    """A file with a right digest, as a person with intent would make it."""
    header = {k: v for k, v in header.items() if k != 'sha256'}
    header['sha256'] = _digest(header, tensors)
    return safetensors.torch.save(
        tensors, {'mmada_policy': json.dumps(header)}
    )


def changed(
    header: dict[str, Any] | None = None,
    tensors: dict[str, torch.Tensor | None] | None = None,
    data: bytes = DATA,
) -> bytes:
    """The good file with entries changed, or removed by None."""
    contents = safetensors.torch.load(data) | (tensors or {})
    return signed(
        _read_header(data) | (header or {}),
        {k: v for k, v in contents.items() if v is not None},
    )


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    'ensemble',
    [search('paper', 3), search('stable', 3), schedule()],
)
def test_round_trip(tmp_path: Path, ensemble: PolicyEnsemble) -> None:
    path = save_policy(
        tmp_path / 'p.safetensors',
        ensemble,
        dict(detector='toy', score=[1, 2.5, None]),
    )
    loaded = load_policy(path, objectives=list(NAMES))
    assert same(loaded, ensemble)
    assert loaded.provenance == ensemble.provenance | dict(
        detector='toy', score=[1, 2.5, None]
    )
    assert [p.spec() for p in loaded.policies] == [
        p.spec() for p in ensemble.policies
    ]
    assert not any(
        p.requires_grad
        for policy in loaded.policies
        for p in policy.parameters()
    )
    assert os.listdir(tmp_path) == ['p.safetensors']


def test_parts_that_are_one_tensor_are_saved(tmp_path: Path) -> None:
    ones = torch.ones(2, dtype=torch.float64)
    ensemble = PolicyEnsemble((ConstantPolicy(2),), ones, ones)
    path = save_policy(tmp_path / 'policy', ensemble.named(('a', 'b')))
    assert load_policy(path).best_weights.equal(ones)


def test_loading_leaves_the_global_random_stream_alone(tmp_path: Path) -> None:
    path = write(tmp_path / 'p', DATA)
    before = torch.get_rng_state()
    load_policy(path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    'wanted',
    [
        ('cls', 'box', 'mask'),
        ('cls', 'box'),
        ('cls', 'box', 'seg', 'rpn'),
        ('box', 'cls', 'seg'),
    ],
)
def test_other_objectives_are_refused(
    tmp_path: Path, wanted: tuple[str, ...]
) -> None:
    path = write(tmp_path / 'p', DATA)
    with pytest.raises(ValueError, match=r'its order: cls, box, seg\. Found '):
        load_policy(path, objectives=wanted)
    load_policy(path, objectives=('cls', 'box', 'seg'))


def group(**changes: Any) -> dict[str, Any]:
    """The header of the good file with entries of its policy changed."""
    return dict(policy=_read_header(DATA)['policy'] | changes)


def parameter(value: Any) -> dict[str, Any]:
    return {'policy.1.bias': value}


REFUSED: list[tuple[dict, dict, str]] = [
    (dict(schema=2), {}, '`schema` should be 1.*Found 2'),
    (dict(extra=1), {}, 'its metadata should hold'),
    (dict(gamma='0.9'), {}, '`gamma` should be of type float'),
    (dict(gamma=0), {}, '`gamma`'),
    (dict(gamma=1.5), {}, '`gamma`'),
    (dict(floor=10**400), {}, '`floor` should be finite'),
    (dict(floor=-1.0), {}, '`floor`'),
    (dict(objectives=[]), {}, '`objectives`'),
    (dict(objectives=['a', 'b']), {}, '`objectives` should be 3'),
    (dict(objectives=['a', 'a', 'b']), {}, '`objectives` should be 3'),
    (dict(objectives=['a', 'b', 3]), {}, '`objectives`'),
    (dict(num_rounds=0), {}, '`num_rounds`'),
    (dict(num_rounds=True), {}, '`num_rounds`'),
    (dict(num_rounds=10**9), {}, '`num_rounds`'),
    (dict(num_rounds=1), {}, 'unknown tensors'),
    (dict(num_rounds=3), {}, r'(?s)policy\.3\..*Missing key'),
    (dict(normaliser='none'), {}, '`normaliser`'),
    (dict(policy={}), {}, '`num_objectives`'),
    (dict(policy=dict(kind='x', num_objectives=3, hidden=16)), {}, '`kind`'),
    (
        dict(policy=dict(kind='loss_ratio', num_objectives=3, hidden=16)),
        {},
        '(?s)Unexpected key.*bias',
    ),
    (
        dict(policy=dict(kind='loss_ratio', num_objectives=3, hidden=10**6)),
        {},
        '`hidden`',
    ),
    (group(groups=[[0, 1], [2]]), {}, 'size mismatch'),
    (group(groups=[[0, 1], [1]]), {}, '`groups`'),
    (group(groups=[[0.0], [1], [2]]), {}, '`groups`'),
    (group(groups=7), {}, '`groups`'),
    (group(groups=None), {}, "`policy` should be.*'groups'"),
    (group(start=1.5), {}, '`start`'),
    (group(start='1'), {}, '`start`'),
    (group(generator=1), {}, 'generator'),
    (dict(policy=dict(kind='group', num_objectives=3)), {}, 'groups'),
    ({}, dict(initial_losses=-LOSSES), '`initial_losses`'),
    ({}, dict(initial_losses=0 * LOSSES), '`initial_losses`'),
    ({}, dict(initial_losses=LOSSES[:2]), '`initial_losses`'),
    ({}, dict(initial_losses=None), 'no tensor'),
    ({}, dict(best_weights=0 * LOSSES), '`best_weights`'),
    ({}, dict(best_weights=LOSSES / 0), 'NaN or infinity'),
    ({}, dict(best_weights=LOSSES.float()), 'should be float64'),
    ({}, dict(best_weights=LOSSES.long()), 'should be float64'),
    ({}, dict(more=LOSSES), 'unknown tensors'),
    ({}, parameter(torch.tensor(torch.nan).double()), 'NaN or infinity'),
    ({}, parameter(torch.zeros(2).double()), 'size mismatch'),
    ({}, parameter(None), 'bias'),
    (
        {},
        parameter(torch.full((3,), 1.7e308, dtype=torch.float64)),
        'not finite',
    ),
]


@pytest.mark.parametrize(('header', 'tensors', 'message'), REFUSED)
def test_content_that_no_search_left_is_refused(
    tmp_path: Path, header: dict, tensors: dict, message: str
) -> None:
    path = write(tmp_path / 'p.safetensors', changed(header, tensors))
    with pytest.raises(PolicyFileError, match=message) as error:
        load_policy(path)
    assert str(path) in str(error.value)


CONSTANT_REFUSED: list[tuple[dict, dict, str]] = [
    (dict(policy=dict(kind='constant', num_objectives=4)), {}, 'mismatch'),
    (
        dict(policy=dict(kind='constant', num_objectives=3, hidden=2)),
        {},
        'hidden',
    ),
    (dict(policy=dict(kind='constant')), {}, '`num_objectives`.*None'),
    (dict(normaliser='mean_one'), {}, '`normaliser`'),
    (dict(num_rounds=1), {}, 'unknown tensors'),
    ({}, {'policy.2.log_weights': None}, 'log_weights'),
    ({}, {'policy.1.log_weights': 710 + LOSSES}, 'not finite'),
    ({}, {'policy.1.log_weights': LOSSES.float()}, 'should be float64'),
    ({}, {'policy.1.more': LOSSES}, 'more'),
]


@pytest.mark.parametrize(('header', 'tensors', 'message'), CONSTANT_REFUSED)
def test_a_schedule_that_no_search_left_is_refused(
    tmp_path: Path, header: dict, tensors: dict, message: str
) -> None:
    good = encode_policy(schedule(), {})
    data = changed(header, tensors, good)
    with pytest.raises(PolicyFileError, match=message):
        load_policy(write(tmp_path / 'p', data))


def test_a_damaged_schedule_is_refused(tmp_path: Path) -> None:
    good = encode_policy(schedule(), {})
    for place in range(0, len(good), 7):
        data = bytearray(good)
        data[place] ^= 1
        with pytest.raises(PolicyFileError):
            load_policy(write(tmp_path / 'p', bytes(data)))


@pytest.mark.parametrize(
    'change',
    [
        dict(gamma=0.8),
        dict(floor=0.01),
        dict(objectives=['box', 'cls', 'seg']),
        dict(provenance={}),
    ],
)
def test_the_digest_covers_the_metadata(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    data = safetensors.torch.save(
        safetensors.torch.load(DATA),
        {'mmada_policy': json.dumps(_read_header(DATA) | change)},
    )
    with pytest.raises(PolicyFileError, match='sha256'):
        load_policy(write(tmp_path / 'p', data))


def test_the_helper_that_signs_makes_good_files(tmp_path: Path) -> None:
    assert same(load_policy(write(tmp_path / 'p', changed())), ENSEMBLE)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / 'p'
    with open(path, 'wb') as file:
        file.truncate(policy_file.MAX_BYTES + 1)
    with pytest.raises(PolicyFileError, match='more than'):
        load_policy(path)


def test_missing_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='absent'):
        load_policy(tmp_path / 'absent')


@pytest.mark.parametrize('name', CLOTHING)
def test_pickles_are_never_run(tmp_path: Path, name: str) -> None:
    sentinel = tmp_path / 'ran'
    path = write(tmp_path / name, CLOTHING[name](Payload(sentinel)))
    with pytest.raises(PolicyFileError, match=name):
        load_policy(path)
    assert not sentinel.exists()


def test_types_that_numpy_does_not_know_are_refused(tmp_path: Path) -> None:
    header = json.dumps(_read_header(DATA))
    data = safetensors.torch.save(
        dict(best_weights=LOSSES.bfloat16()), {'mmada_policy': header}
    )
    with pytest.raises(PolicyFileError, match='should be float64'):
        load_policy(write(tmp_path / 'p', data))


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'\0' * 8,
        b'{}',
        b'\xff' * 64,
        safetensors.torch.save({'a': LOSSES}),
        safetensors.torch.save({'a': LOSSES}, {'other': '1'}),
        safetensors.torch.save({'a': LOSSES}, {'mmada_policy': '[]'}),
        safetensors.torch.save({'a': LOSSES}, {'mmada_policy': '{"a": NaN}'}),
        safetensors.torch.save({'a': LOSSES}, {'mmada_policy': '[' * 10**5}),
        safetensors.torch.save({'a': LOSSES}, {'mmada_policy': '1' * 10**4}),
    ],
)
def test_other_content_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(PolicyFileError):
        load_policy(write(tmp_path / 'p', data))


@pytest.mark.parametrize(
    ('ensemble', 'provenance', 'message'),
    [
        (ENSEMBLE.named([]), {}, '`objectives`'),
        (ENSEMBLE, dict(path=Path('x')), '`provenance`.*JSON'),
        (ENSEMBLE, dict(score=float('nan')), '`provenance`.*JSON'),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(
    tmp_path: Path, ensemble: PolicyEnsemble, provenance: dict, message: str
) -> None:
    path = write(tmp_path / 'p', b'older')
    with pytest.raises(ValueError, match=message):
        save_policy(path, ensemble, provenance)
    assert path.read_bytes() == b'older'
    assert os.listdir(tmp_path) == ['p']


def test_a_policy_of_nan_is_not_saved(tmp_path: Path) -> None:
    ensemble = search()
    ensemble.policies[0].bias.fill_(torch.nan)
    with pytest.raises(ValueError, match='cannot be saved.*NaN'):
        save_policy(tmp_path / 'p', ensemble)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('broken', ['write', 'replace'])
def test_a_failed_write_leaves_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = save_policy(tmp_path / 'p', ENSEMBLE)
    before = path.read_bytes()

    def full(*args: Any) -> None:
        raise OSError(28, 'No space left on device')

    target = dict(write=(os, 'fsync'), replace=(os, 'replace'))[broken]
    monkeypatch.setattr(*target, full)
    with pytest.raises(OSError, match='No space'):
        save_policy(path, search('paper'))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ['p']
