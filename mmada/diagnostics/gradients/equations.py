"""What the inner products of gradients say about a sum of losses.

Notation: n objectives, B batches; ``products`` M of shape ``(n, n)`` holds
the inner products of the gradients that the raw losses give the trunk.
"""

from __future__ import annotations

import torch
from torch import Tensor


def norms(products: Tensor) -> Tensor:
    r"""Return :math:`\sqrt{M_{ii}}`, the size of each gradient, ``(n,)``.

    Args:
        products: Inner products, shape ``(..., n, n)``; means over batches
            give the root of the mean square.
    """
    return products.diagonal(dim1=-2, dim2=-1).sqrt()


def shares(norms: Tensor) -> Tensor:
    """Return each size over the sum of all, ``(n,)``; NaN counts as none.

    Args:
        norms: Sizes of the gradients, shape ``(n,)``.
    """
    return norms / norms.nansum()


def cosines(products: Tensor) -> Tensor:
    r"""Return :math:`M_{ij} / \sqrt{M_{ii} M_{jj}}`, shape ``(..., n, n)``.

    Args:
        products: Inner products, shape ``(..., n, n)``.
    """
    sizes = norms(products)
    return products / (sizes.unsqueeze(-1) * sizes.unsqueeze(-2))


def cosines_with_sum(products: Tensor) -> Tensor:
    r"""Return the cosine of each gradient with the sum of all, ``(n,)``.

    .. math:: \frac{\sum_j M_{ij}}{\sqrt{M_{ii} \sum_{jk} M_{jk}}}

    Args:
        products: Inner products, shape ``(n, n)``; NaN counts as 0 in sums.
    """
    return products.nansum(-1) / (norms(products) * products.nansum().sqrt())


def batch_noise(square: Tensor, mean_square: Tensor, count: Tensor) -> Tensor:
    r"""Return how much batches differ, in units of what they agree on.

    .. math:: \sqrt{\frac{B}{B - 1}
        \frac{\overline{|g|^2} - |\bar g|^2}{|\bar g|^2}}

    Args:
        square: Mean squared norm of a batch's gradient, shape ``(n,)``.
        mean_square: Squared norm of the mean gradient, shape ``(n,)``.
        count: Batches B that have the objective, shape ``(n,)``; one alone
            says nothing: NaN.
    """
    spread = (square - mean_square).clamp(min=0) * count / (count - 1)
    return (spread / mean_square).sqrt().masked_fill(count < 2, torch.nan)
