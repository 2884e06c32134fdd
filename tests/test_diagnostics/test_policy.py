"""Tables of a policy file against the ensemble in it, and their warnings."""

from __future__ import annotations

import hashlib
import json
import math

import pytest
import torch
from scipy.stats import norm

from mmada.controllers import (
    ConstantPolicy,
    LossRatioPolicy,
    PolicyEnsemble,
    ensemble_coefficients,
)
from mmada.controllers.ada_segment.exploration import GaussianExploration
from mmada.diagnostics.policy import (
    describe_policy,
    ensemble_warnings,
    name_warnings,
    weight_warnings,
)
from mmada.engine import load_policy, save_policy
from mmada.policies.policy import POLICIES
from tests.test_policies.test_policy_file import LOSSES, schedule, search

NAMES = ('cls', 'box', 'seg')
KINDS = dict(
    group=lambda: search('stable'),
    loss_ratio=lambda: search('paper'),
    constant=schedule,
)


def constant(*rows, floor=1e-3):
    policies = tuple(
        ConstantPolicy.of(torch.tensor(row).double()).requires_grad_(False)
        for row in rows
    )
    return PolicyEnsemble(
        policies,
        LOSSES,
        torch.tensor(rows[-1]).double(),
        floor=floor,
        objectives=NAMES,
    )


def report_of(tmp_path, ensemble, epochs=4, limit=3.0):
    path = save_policy(tmp_path / 'p.safetensors', ensemble)
    report = describe_policy(load_policy(path), path, epochs, limit)
    return json.loads(json.dumps(report, allow_nan=False))


def test_every_kind_of_policy_is_known_to_these_tests():
    assert set(KINDS) == set(POLICIES)


@pytest.mark.parametrize('kind', KINDS)
def test_tables_have_what_the_ensemble_gives(tmp_path, kind):
    ensemble = KINDS[kind]()
    report = report_of(tmp_path, ensemble)
    assert report['policy']['spec']['kind'] == kind
    data = (tmp_path / 'p.safetensors').read_bytes()
    assert report['file']['sha256'] == hashlib.sha256(data).hexdigest()
    assert report['policy']['initial_losses'] == LOSSES.tolist()
    grid = report['grid']
    assert grid['factors'] == [0.25, 0.5, 1, 2, 4]
    moved = LOSSES * torch.tensor([1, 4, 1])  # the box loss, four times
    expected = ensemble.last_weights(moved).tolist()
    assert grid['weights'][1][4] == pytest.approx(expected)
    rows = torch.stack([p.weights(LOSSES) for p in ensemble.policies])
    for epoch, weights in enumerate(report['epochs'], start=1):
        shares = ensemble_coefficients(epoch, 4, 2, ensemble.gamma)
        expected = (shares @ rows).clamp(min=ensemble.floor).tolist()
        assert weights == pytest.approx(expected)
    modes = report['modes']
    assert modes['final'] == ensemble.best_weights.tolist()
    assert modes['pred'] == modes['single'] == grid['weights'][0][2]
    assert modes['comb'] == report['epochs'][0]


def test_a_negative_sample_of_the_paper_is_as_likely_as_the_normals_say(
    tmp_path,
):
    ensemble = search('paper')
    found = report_of(tmp_path, ensemble)['negative']
    assert found['sigma'] == 0.2
    for policy, probability in zip(
        ensemble.policies, found['probability'], strict=True
    ):
        means = policy.weights(LOSSES).numpy()
        expected = 1 - math.prod(norm.cdf(means / 0.2))
        assert probability == pytest.approx(expected, rel=1e-9)


def test_drawn_samples_are_negative_as_often_as_computed():
    policy = LossRatioPolicy(3, init_std=0.0)
    losses = torch.tensor([0.3, 1.0, 1.7], dtype=torch.float64)
    sigma = 0.7
    with torch.no_grad():
        expected = float(policy.negative_probability(losses, sigma))
        mean = policy(losses)
    exploration = GaussianExploration(sigma)
    generator = torch.Generator().manual_seed(1)
    samples = exploration.sample(mean, 40_000, 1.0, generator)
    share = 1 - float(exploration.valid(samples).double().mean())
    assert 0.05 < expected < 0.5
    assert share == pytest.approx(expected, abs=0.01)  # 4 standard errors


@pytest.mark.parametrize('kind', ['group', 'constant'])
def test_weights_that_are_positive_by_construction(kind):
    policy = KINDS[kind]().policies[0]
    found = policy.negative_probability(LOSSES.expand(5, 3), 9.0)
    assert found.tolist() == [0.0] * 5


def test_without_a_sigma_in_the_provenance_nothing_is_claimed(tmp_path):
    found = report_of(tmp_path, schedule())['negative']
    assert found == dict(sigma=None, probability=None)


def test_warnings_of_a_floor_and_of_weights_far_apart():
    ensemble = constant([1.0, 1e-4, 2.0])
    assert weight_warnings(ensemble, LOSSES) == [
        'The weight of box would be 0.0001, which the floor raises to 0.001: '
        'that loss is all but switched off.',
        'seg is weighted 2e+03 times as much as box.',
    ]
    assert weight_warnings(constant([1.0, 0.3, 2.9]), LOSSES) == []


def test_warnings_of_policies_that_disagree():
    ensemble = constant([1.0, 2.0, 1.0], [1.0, 0.4, 1.9])
    assert ensemble_warnings(ensemble, LOSSES, 3.0) == [
        'The policies of the rounds disagree on box: its weight is 0.4 with '
        'one and 2 with another.'
    ]
    assert ensemble_warnings(ensemble, LOSSES, 6.0) == []


@pytest.mark.parametrize(
    ('model', 'expected'),
    [
        (('cls', 'box', 'seg'), None),
        (('box', 'cls', 'seg'), 'in another order, cls, box, seg; the con'),
        (('cls', 'box', 'mask'), 'does not know mask; the config does not'),
    ],
)
def test_warnings_of_other_objectives(model, expected):
    found = name_warnings(NAMES, model)
    assert len(found) == (expected is not None)
    assert all(expected in text for text in found)
