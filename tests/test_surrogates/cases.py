"""Random control points and maps for the tests of surrogates."""

from __future__ import annotations

import torch

from mmada.surrogates import SURROGATES, decode, read_target

METRICS = tuple(SURROGATES)
MAPPED = tuple(m for m in METRICS if SURROGATES[m].needs_maps)


def random_curves(metric, seed, extreme=False):
    """Legal control points of a metric; extreme: many shares are 0 or 1."""
    shape = SURROGATES[metric].shape
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(shape.num_parameters, generator=generator).double()
    if extreme:
        shares = (3 * shares - 1).clamp(0, 1)
    return decode(shares, shape)


def blobs(seed, size=(2, 13, 11), classes=4, ignored=False, cell=4):
    """A label map of rectangles; some pixels are 255 if asked for."""
    generator = torch.Generator().manual_seed(seed)
    n, height, width = size
    coarse = torch.randint(
        classes,
        (n, height // cell + 1, width // cell + 1),
        generator=generator,
    )
    label = coarse.repeat_interleave(cell, 1).repeat_interleave(cell, 2)
    label = label[:, :height, :width].clone()
    if ignored:
        drawn = torch.rand(label.shape, generator=generator) < 0.15
        label[drawn] = 255
    return label


def surrogate_of(metric, probabilities, label, points, weight=None, **options):
    """The value of a surrogate metric, 255 being ignored."""
    found = SURROGATES[metric]
    target = read_target(label, probabilities.shape[1], 255, weight)
    return found.function(
        probabilities,
        target,
        found.build_curves(points),
        **{**found.options, **options},
    )


def one_hot(label, classes, dtype=torch.float32):
    """Certain predictions; a label of 255 is predicted as class 0."""
    safe = label.masked_fill(label == 255, 0)
    return torch.nn.functional.one_hot(safe, classes).movedim(-1, 1).to(dtype)
