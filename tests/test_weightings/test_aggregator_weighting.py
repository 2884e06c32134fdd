from __future__ import annotations

import importlib.util
import itertools
from typing import Any

import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from mmada.weightings import AggregatorWeighting

pytestmark = pytest.mark.filterwarnings('ignore:.*not DPP:UserWarning')
pytest.importorskip('torchjd', reason='[torchjd] is not installed')

LOSSES = torch.ones(3)
# g1 . g2 = -1: the two are in conflict; the third is orthogonal to both.
CONFLICT = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 1.0, 0.0]])
THREE = torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0], [1.0, 2.0, -3.0]])
NEEDED: dict[str, dict[str, Any]] = dict(
    CAGrad=dict(c=0.5), NashMTL=dict(n_tasks=3), Krum=dict(n_byzantine=0)
)
METHODS = [
    'UPGrad',
    'PCGrad',
    'CAGrad',
    'MGDA',
    'IMTLG',
    'NashMTL',
    'AlignedMTL',
    'DualProj',
    'Random',
    'GradVac',
    'Mean',
    'Sum',
]


def weigh(name: str, matrix: Tensor, **options: Any) -> Tensor:
    method = AggregatorWeighting(name, options, scale=1.0, floor=1e-9, seed=0)
    return method.weights(torch.ones(len(matrix)), matrix)


def test_pcgrad_by_hand() -> None:
    # g1 on g2: g1 - (-1/2) g2; g2 on g1: g2 - (-1/1) g1. In sum the first
    # counts 1 + 1, the second 1/2 + 1.
    found = weigh('PCGrad', CONFLICT)
    torch.testing.assert_close(found.float(), torch.tensor([2.0, 1.5]))


def test_weights_add_up_to_what_is_asked_for() -> None:
    """2 and 1.5 are 8/7 and 6/7 of their mean; also with a row of zeros."""
    method = AggregatorWeighting('PCGrad', scale=1.0, total=2.0)
    found = method.weights(torch.ones(2), CONFLICT).tolist()
    assert found == pytest.approx([8 / 7, 6 / 7])
    method = AggregatorWeighting('PCGrad', scale=1.0, total=3.0)
    matrix = torch.cat([CONFLICT, torch.zeros(1, 3)])
    found = method.weights(torch.ones(3), matrix).tolist()
    assert found == pytest.approx([6 / 4.5, 4.5 / 4.5, 3 / 4.5])
    with pytest.raises(ValueError, match='`total` .* Found 0'):
        AggregatorWeighting('PCGrad', total=0)


def test_upgrad_by_hand() -> None:
    # Half of each, projected onto {v : v.g1 >= 0, v.g2 >= 0}: the part that
    # runs against the other one goes, as in PCGrad with two objectives.
    found = weigh('UPGrad', CONFLICT)
    torch.testing.assert_close(
        found.float(), torch.tensor([1.0, 0.75]), rtol=1e-3, atol=0
    )


def test_cagrad_is_the_paper_s_problem_solved_by_another_solver() -> None:
    c, n = 0.5, len(THREE)
    matrix = THREE.double().numpy()
    mean = matrix.mean(0)
    size = c * (mean @ mean) ** 0.5

    def objective(w: Any) -> float:
        mixed = w @ matrix
        return mixed @ mean + size * (mixed @ mixed) ** 0.5

    starts = itertools.product((0.1, 1.0), repeat=n)
    best = min(
        (
            minimize(
                objective,
                [x / sum(start) for x in start],
                bounds=[(0, 1)] * n,
                constraints=dict(type='eq', fun=lambda w: w.sum() - 1),
                method='SLSQP',
                tol=1e-12,
            )
            for start in starts
        ),
        key=lambda found: found.fun,
    )
    mixed = best.x @ matrix
    expected = mean + size * mixed / (mixed @ mixed) ** 0.5
    found = weigh('CAGrad', THREE, c=c) @ THREE.double()
    torch.testing.assert_close(
        found, torch.tensor(expected), rtol=1e-3, atol=1e-3
    )


def test_mgda_is_the_shortest_mixture() -> None:
    grid = [
        (a / 200, b / 200, 1 - (a + b) / 200)
        for a in range(201)
        for b in range(201 - a)
    ]
    mixtures = torch.tensor(grid, dtype=torch.float64) @ THREE.double()
    found = weigh('MGDA', THREE) @ THREE.double()
    assert found.norm() == pytest.approx(
        float(mixtures.norm(dim=1).min()), abs=0.01
    )


def test_imtl_g_has_equal_projections_on_all_directions() -> None:
    found = weigh('IMTLG', THREE) @ THREE.double()
    directions = THREE.double() / THREE.double().norm(dim=1, keepdim=True)
    projections = directions @ found
    torch.testing.assert_close(
        projections, projections.mean().expand(3), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize('name', METHODS)
def test_the_mixture_is_the_aggregator_s_own(name: str) -> None:
    from torchjd import aggregation

    options = NEEDED.get(name, {})
    matrix = THREE / THREE.norm() * 3**0.5  # some look at the size
    torch.manual_seed(1)  # the seed of the first call
    expected = getattr(aggregation, name)(**options)(matrix)
    found = weigh(name, matrix, **options).float() @ matrix
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('name', METHODS)
def test_without_preference_weights_average_one(name: str) -> None:
    method = AggregatorWeighting(name, NEEDED.get(name))
    found = method.weights(LOSSES, 1e-4 * torch.eye(3))
    assert found.mean() == pytest.approx(1, rel=1e-3)
    if name != 'Random':
        assert found.tolist() == pytest.approx([1] * 3, rel=1e-3)


@pytest.mark.parametrize('name', ['PCGrad', 'Random'])
def test_random_numbers_are_its_own(name: str) -> None:
    matrix = torch.randn(5, 6, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    draws = [AggregatorWeighting(name) for _ in range(2)]
    found = [
        [m.weights(torch.ones(5), matrix).tolist() for _ in range(3)]
        for m in draws
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]
    other = AggregatorWeighting(name, seed=9)
    assert other.weights(torch.ones(5), matrix).tolist() != found[0][0]


def test_a_row_of_zeros_is_left_out() -> None:
    method = AggregatorWeighting('CAGrad', dict(c=0.5))
    assert method.weights(LOSSES, torch.zeros(3, 3)).tolist() == [1, 1, 1]
    padded = torch.stack([CONFLICT[0], torch.zeros(3), CONFLICT[1]])
    found = method.weights(LOSSES, padded)
    other = AggregatorWeighting('CAGrad', dict(c=0.5))
    two = other.weights(LOSSES[:2], CONFLICT).tolist()
    assert found.tolist() == [two[0], 1, two[1]]


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('NashMTL', dict(n_tasks=3)),
        ('UPGrad', dict(pref_vector=[1.0, 2.0, 1.0])),
    ],
)
def test_where_rows_are_fixed_the_weights_stay(
    name: str, options: dict[str, Any]
) -> None:
    method = AggregatorWeighting(name, options)
    with_zeros = THREE * torch.tensor([[1.0], [0.0], [1.0]])
    assert method.weights(LOSSES, with_zeros).tolist() == [1, 1, 1]
    found = method.weights(LOSSES, THREE)
    assert torch.equal(method.weights(LOSSES, with_zeros), found)
    assert found.tolist() != [1, 1, 1]


def test_negative_weights_are_floored() -> None:
    near = torch.tensor([[1.0, 0.0], [1.0, 0.1], [3.0, 1.0]])
    raw = AggregatorWeighting('IMTLG', scale=1.0)
    assert raw.weights(LOSSES, near).min() == 0.01


def test_another_aggregator_s_state_is_refused() -> None:
    state = AggregatorWeighting('PCGrad').state_dict()
    with pytest.raises(ValueError, match="'PCGrad'.*Found 'UPGrad'"):
        AggregatorWeighting('UPGrad').load_state_dict(state)


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('GradDrop', {}, 'not a weighted sum'),
        ('ConFIG', {}, 'not a weighted sum'),
        ('Nope', {}, "UPGrad.*Found 'Nope'"),
        ('torch.nn.Linear', {}, 'not a weighted sum'),
        ('torchjd.nothing.X', {}, "'torchjd.nothing.X': No module"),
        ('CAGrad', {}, "`options`.*'CAGrad'.*'c'"),
    ],
)
def test_what_gives_no_weights_is_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        AggregatorWeighting(name, options)


def test_a_dotted_class() -> None:
    found = AggregatorWeighting('torchjd.aggregation.PCGrad', scale=1.0)
    assert found.weights(LOSSES[:2], CONFLICT).tolist() == pytest.approx(
        [2, 1.5]
    )


@pytest.mark.parametrize(
    ('name', 'value'), [('scale', 0), ('floor', 0), ('seed', -1)]
)
def test_bad_options(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        AggregatorWeighting('PCGrad', **{name: value})  # type: ignore


@pytest.mark.parametrize(
    ('aggregator', 'options', 'message'),
    [
        ('CAGrad', [1], r'`options` should be a dict.*Found \[1\]'),
        ('CAGrad', 'c', "`options` should be a dict.*Found 'c'"),
        (5, None, '`aggregator` should be a name.*Found 5'),
        (None, None, '`aggregator` should be a name.*Found None'),
    ],
)
def test_options_of_another_kind(
    aggregator: Any, options: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        AggregatorWeighting(aggregator, options)


def test_a_missing_torchjd_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name: None if name == 'torchjd' else find(name),
    )
    with pytest.raises(ImportError, match=r"'UPGrad'.*mmada\[torchjd\]"):
        AggregatorWeighting('UPGrad')
