"""Which objectives reach a parameter, by the graph of their losses."""

import torch

from mmada.engine.owners import find_owners


def test_owners_follow_the_graph():
    names = ('trunk', 'a', 'b', 'both_heads', 'unused', 'frozen')
    p = {n: torch.nn.Parameter(torch.ones(1)) for n in names}
    p['frozen'].requires_grad = False
    trunk = p['trunk'] * 2
    shared = p['both_heads'] * trunk
    losses = {
        0: (p['a'] * shared * p['frozen']).sum(),
        1: (p['b'] * shared * 0).sum(),  # zeros are gradients too
        2: trunk.sum(),
    }
    assert find_owners(losses, p) == {
        'trunk': (0, 1, 2),
        'a': (0,),
        'b': (1,),
        'both_heads': (0, 1),
        'unused': (),
        'frozen': (),
    }
    losses[2].backward()  # the graph is still there
    assert p['a'].grad is None
    assert p['trunk'].grad.item() == 2.0


def test_owners_are_in_ascending_order():
    p = torch.nn.Parameter(torch.ones(1))
    losses = {2: p.sum(), 0: (2 * p).sum()}
    assert find_owners(losses, {'p': p}) == {'p': (0, 2)}


def test_a_loss_without_a_graph_reaches_nothing():
    p = torch.nn.Parameter(torch.ones(1))
    losses = {0: torch.tensor(0.0), 1: p.sum()}
    assert find_owners(losses, {'p': p}) == {'p': (1,)}
