import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

import mmada  # noqa: F401  registers everything


def build(losses):
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(dict(type='LossSum', losses=losses))


def test_losses_see_the_same_arguments_and_are_added():
    loss = build(
        [
            dict(type='CrossEntropyLoss', loss_weight=2.0),
            dict(type='AutoSegLoss', metric='gAcc', loss_weight=3.0),
        ]
    )
    logits = torch.zeros(1, 2, 2, 2, requires_grad=True)
    labels = torch.tensor([[[0, 1], [1, 255]]])
    # Of equal logits the entropy is log 2, and half of the mass is right.
    found = loss(logits, labels, ignore_index=255)
    entropy = 2 * torch.log(torch.tensor(2.0)) * 3 / 4  # mean over all pixels
    assert found.item() == pytest.approx(entropy.item() + 3 * 0.5)
    found.backward()
    assert torch.isfinite(logits.grad).all()


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(ValueError, match='`losses` should hold at least one'):
        build([])


def test_what_a_base_brings_is_named_with_the_way_out():
    loss = dict(
        type='LossSum',
        losses=[dict(type='CrossEntropyLoss')],
        use_sigmoid=True,
        loss_weight=1.0,
    )
    with (
        DefaultScope.overwrite_default_scope('mmdet'),
        pytest.raises(
            ValueError,
            match="`losses` alone. Found 'use_sigmoid', 'loss_weight'. "
            '`_delete_=True` beside `type`',
        ),
    ):
        MODELS.build(loss)
