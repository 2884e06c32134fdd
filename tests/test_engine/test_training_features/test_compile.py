"""`compile` in a config: the same numbers, and no graph for each weight."""

from types import SimpleNamespace

import pytest
import torch
from torch._dynamo.utils import counters

from mmada.engine.training_features import compiled_as
from tests.support import toy
from tests.test_engine.test_training_features import uses

EAGER = dict(backend='eager')  # the same operators, so the same bits


@pytest.fixture(autouse=True)
def fresh_dynamo():
    """Forgets all graphs before and after a test."""
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()
    torch._functorch.config.donated_buffer = True


def graphs():
    return counters['stats']['unique_graphs']


@pytest.mark.parametrize('use', uses.USES)
def test_compiled_runs_have_the_same_bits_and_few_graphs(tmp_path, use):
    """Six iterations or more, all with other weights and learning rates.

    The second graph is for any count of iterations in place of the first.
    """
    plain = uses.run(use, tmp_path / 'plain')
    assert graphs() == 0
    compiled = uses.run(use, tmp_path / 'compiled', compile=EAGER)
    uses.assert_same(plain, compiled)
    assert 1 <= graphs() <= 2
    weights = [row['weights'] for row in plain['rows']]
    assert weights[0] != weights[1]


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_weights_of_every_iteration_compile_nothing_anew(tmp_path, mode):
    weighting = dict(type='RandomLossWeighting')
    options = dict(
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode=mode)),
        custom_hooks=[
            uses.SEEDS,
            dict(type='StepWeightingHook', weighting=weighting, interval=1),
        ],
    )
    runs = []
    for name, compiled in (('plain', False), ('compiled', EAGER)):
        runner = toy.runner(tmp_path / name, compile=compiled, **options)
        runner.train()
        rows = uses.rows('training', tmp_path / name)
        runs.append(dict(state=toy.state_of(runner.model), rows=rows))
    uses.assert_same(*runs)
    assert len({tuple(row['weights']) for row in runs[0]['rows']}) == 9
    assert 1 <= graphs() <= 2


def test_graphs_are_passed_backwards_once_for_each_objective(tmp_path):
    """A second graph is made in an iteration with a single such pass."""
    hook = dict(uses.GRADIENTS, every=2)
    options = dict(
        custom_hooks=[uses.SEEDS, hook],
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode='grad')),
    )
    runs = []
    for name, backend in (('plain', None), ('compiled', 'aot_eager')):
        compiled = backend and dict(backend=backend)
        runner = toy.runner(tmp_path / name, compile=compiled, **options)
        runner.train()
        rows = uses.rows('gradients', tmp_path / name)
        runs.append(dict(state=toy.state_of(runner.model), rows=rows))
    uses.assert_close(*runs)
    assert runs[0]['rows'][-1]['weights'] != [1.0, 1.0]
    assert graphs() >= 1


@pytest.mark.parametrize('use', uses.USES)
def test_a_single_graph_is_refused_before_training(tmp_path, use):
    whole = dict(backend='eager', fullgraph=True)
    runner = uses.build(use, tmp_path, compile=whole)
    with pytest.raises(
        ValueError, match='`compile.fullgraph` should .*Found True'
    ):
        runner.train()
    assert graphs() == 0


class Step(torch.nn.Module):
    def train_step(self, value):
        return value + 1


@pytest.mark.parametrize('options', [True, EAGER])
def test_a_replica_is_compiled_as_the_run_is(options):
    """Replicas of a distributed run have other model wrappers than it."""
    runner = SimpleNamespace(cfg=dict(compile=options))
    model = Step()
    assert compiled_as(runner, model) is model
    compiled = model.train_step
    assert compiled._torchdynamo_orig_callable.__self__ is model
    assert compiled_as(runner, model).train_step is compiled


@pytest.mark.parametrize('options', [None, False])
def test_without_the_option_nothing_is_compiled(options):
    model = compiled_as(SimpleNamespace(cfg=dict(compile=options)), Step())
    assert 'train_step' not in vars(model)


@pytest.mark.parametrize('mode', ['lr', 'corrected_lr'])
def test_a_torch_that_takes_hooks_off_is_refused(tmp_path, monkeypatch, mode):
    """As 2.1 does to all optimizers once something is compiled."""
    optim = dict(toy.OPTIM_WRAPPER, head_rule=dict(mode=mode))
    options = dict(optim_wrapper=optim, custom_hooks=[uses.SEEDS, uses.LOSSES])
    toy.runner(tmp_path / 'sound', **options).train()
    monkeypatch.setattr(torch.optim.SGD, 'step', plain_step())
    runner = toy.runner(tmp_path / 'refused', **options)
    with pytest.raises(ValueError, match=r"'grad' or 'off' .* Found .* SGD"):
        runner.train()
    optim['head_rule'] = dict(mode='grad')
    toy.runner(tmp_path / 'other', **options).train()


def plain_step():
    """Returns SGD's step without what calls its hooks."""
    step = torch.optim.SGD.step
    plain = step.__wrapped__
    plain.hooked = True
    return plain
