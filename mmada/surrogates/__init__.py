"""Surrogates of metrics that a network can be trained on directly.

Auto Seg-Loss (ICLR 2021): what has no gradient in a segmentation metric is
replaced by curves whose control points are searched. Pure torch: nothing here
knows of a detector, a config or a training loop.
"""

from mmada.surrogates.curve import (
    Curve,
    SurrogateShape,
    check_points,
    decode,
    identity_action,
    identity_points,
)
from mmada.surrogates.curve_file import StoredCurves, load_curve, save_curve
from mmada.surrogates.metrics import (
    SURROGATES,
    SurrogateMetric,
    find_surrogate,
)
from mmada.surrogates.published_curves import NAMED_POINTS, NamedPoints
from mmada.surrogates.target import Target, read_target

__all__ = [
    'NAMED_POINTS',
    'SURROGATES',
    'Curve',
    'NamedPoints',
    'StoredCurves',
    'SurrogateMetric',
    'SurrogateShape',
    'Target',
    'check_points',
    'decode',
    'find_surrogate',
    'identity_action',
    'identity_points',
    'load_curve',
    'read_target',
    'save_curve',
]
