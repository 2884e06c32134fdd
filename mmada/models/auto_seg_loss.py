"""Auto Seg-Loss as a loss of a semantic head, its options and its inputs."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from mmada.surrogates import (
    NAMED_POINTS,
    Curve,
    check_points,
    find_surrogate,
    identity_points,
    load_curve,
    read_target,
)
from mmada.utils.checks import check_bool, check_int, check_number

Theta = str | os.PathLike[str] | Sequence[float] | Tensor | None
"""A name, a curve file or numbers; None makes every curve the identity."""

IGNORED = 255


@MODELS.register_module()
class AutoSegLoss(nn.Module):
    """One minus a surrogate of a segmentation metric.

    Takes the place of a cross entropy in the semantic heads of MMDetection
    and the decode heads of MMSegmentation. It is computed in float32 whatever
    the precision of the logits.

    The control points are an option, like the weight of a loss, and no part
    of the state: not a buffer, so that no checkpoint, moving average,
    broadcast or ``.half()`` changes them. A search sets them with
    :meth:`set_shape`, and stores them itself.

    Args:
        metric: 'mIoU', 'FWIoU', 'BIoU', 'mAcc', 'gAcc' or 'BF1'.
        theta: Control points of the curves: a name such as 'voc_miou', a
            curve file that ends in '.json', or the numbers themselves,
            ``x1, y1, x2, y2, ...`` curve after curve. None makes every curve
            the identity.
        loss_weight: Largest value of the loss. Defaults to 1.0.
        ignore_index: Label of pixels that do not count, if the head names
            none; decode heads of MMSegmentation do. None: all count. Defaults
            to 255.
        avg_non_ignore: A metric knows no ignored pixels. If False, the loss
            is multiplied by the share of pixels that count, as a cross
            entropy averaged over all pixels is. Defaults to True.
        tolerance: How far off an edge may be, for BIoU and BF1. None: 5.
        drop_bg: Whether class 0 has no edges, for BIoU and BF1. None: as
            released, True for BIoU and False for BF1.
        loss_name: Its name in the losses of a decode head, with ``loss_`` in
            front. Defaults to 'loss_asl'.
        **unknown: Refused.

    Raises:
        FileNotFoundError: If there is no such curve file.
        ValueError: If an option is not valid.
    """

    transient_attributes = ('_points', '_curves')  # an action sets them

    def __init__(
        self,
        metric: str,
        theta: Theta = None,
        loss_weight: float = 1.0,
        ignore_index: int | None = IGNORED,
        avg_non_ignore: bool = True,
        tolerance: int | None = None,
        drop_bg: bool | None = None,
        loss_name: str = 'loss_asl',
        **unknown: Any,
    ) -> None:
        super().__init__()
        _check_unknown(unknown)
        self.surrogate = find_surrogate(metric)
        self.loss_weight = check_number('loss_weight', loss_weight, 0)
        self.ignore_index = _check_ignored(ignore_index)
        self.avg_non_ignore = check_bool('avg_non_ignore', avg_non_ignore)
        self.options = _fill_options(
            metric,
            dict(self.surrogate.options),
            {'tolerance': tolerance, 'drop_bg': drop_bg},
        )
        self._loss_name = _check_name(loss_name)
        self.set_shape(_read_theta(theta, metric))

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return self.surrogate.shape.metric

    @property
    def loss_name(self) -> str:
        """Name of the loss among those of a decode head."""
        return self._loss_name

    @property
    def shape(self) -> Tensor:
        """A copy of the control points, float64, shape ``(K, F, 2)``."""
        return self._points.clone()

    def set_shape(self, points: Tensor | Sequence[float]) -> None:
        """Set the control points.

        Args:
            points: As many numbers as the metric's shape has parameters, in
                [0, 1], rising along each curve.

        Raises:
            ValueError: If they are not valid; the old ones are kept.
        """
        checked = check_points(points, self.surrogate.shape)
        self._curves: tuple[Curve, ...] = self.surrogate.build_curves(checked)
        self._points = checked

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Return the loss of a batch.

        Args:
            cls_score: Logits, shape ``(N, C, H, W)``; for a metric without
                edges any ``(N, C, ...)`` will do, also ``(pixels, C)``.
            label: Integers of shape ``(N, H, W)`` or ``(N, ...)``.
            weight: Weight of each pixel in all sums of the metric, not
                negative, of the shape of the label.
            avg_factor: Not supported: a metric is no average over pixels.
            reduction_override: None or 'mean', for the same reason.
            ignore_index: That of the head, which overrides the default.
            **kwargs: Ignored, as by the losses of the frameworks.

        Returns:
            A scalar in [0, loss_weight]; 0 without any gradient if no pixel
            counts.

        Raises:
            ValueError: If a shape, a label or a reduction is not valid.
        """
        _check_reduction(avg_factor, reduction_override)
        _check_shapes(cls_score, label, weight, self.surrogate.needs_maps)
        if ignore_index is None:
            ignore_index = self.ignore_index
        elif self.ignore_index not in (None, IGNORED, ignore_index):
            raise ValueError(
                '`ignore_index` of AutoSegLoss should be that of its head, '
                f'which is {ignore_index}. Found {self.ignore_index}. Set the '
                "head's."
            )
        with torch.autocast(cls_score.device.type, enabled=False):
            return self._loss(cls_score, label, weight, ignore_index)

    def _loss(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None,
        ignore_index: int | None,
    ) -> Tensor:
        target = read_target(label, cls_score.shape[1], ignore_index, weight)
        if cls_score.dtype in (torch.float16, torch.bfloat16):
            cls_score = cls_score.float()
        metric = self.surrogate.function(
            cls_score.softmax(dim=1), target, self._curves, **self.options
        )
        loss = self.loss_weight * (1 - metric).to(cls_score.dtype)
        if not self.avg_non_ignore and target.valid is not None:
            loss = loss * target.valid.float().mean()
        return loss

    def extra_repr(self) -> str:
        """Return the options that matter, for printing."""
        return f'metric={self.metric!r}, loss_weight={self.loss_weight}'


def _read_theta(theta: Theta, metric: str) -> Tensor | Sequence[float]:
    """Return control points, wherever they are; check their metric only."""
    if theta is None:
        return identity_points(find_surrogate(metric).shape)
    if isinstance(theta, str) and theta in NAMED_POINTS:
        found, points = NAMED_POINTS[theta].metric, NAMED_POINTS[theta].points
    elif isinstance(theta, str | os.PathLike):
        if not os.fspath(theta).endswith('.json'):
            raise ValueError(
                f'`theta` should be one of {", ".join(NAMED_POINTS)}, a path '
                f'that ends in .json, or numbers. Found {theta!r}.'
            )
        if not Path(theta).is_file():
            raise FileNotFoundError(
                '`theta` should be a curve file that a search wrote. Found '
                f'none at {theta}.'
            )
        stored = load_curve(theta)
        found, points = stored.metric, stored.points
    else:
        return theta
    if found != metric:
        raise ValueError(
            f'`theta` should be for {metric!r}. '
            f'Found {theta!r}, which is for {found!r}.'
        )
    return points


def _fill_options(
    metric: str, defaults: dict[str, Any], given: dict[str, Any]
) -> dict[str, Any]:
    """Return the metric's options, with what was given in place."""
    chosen = {name: x for name, x in given.items() if x is not None}
    for name, value in chosen.items():
        if name not in defaults:
            raise ValueError(
                f'`{name}` should be left out: {metric!r} has no edges. '
                f'Found {value!r}.'
            )
    options = defaults | chosen
    check_int('tolerance', options.get('tolerance', 0), 0)
    check_bool('drop_bg', options.get('drop_bg', False))
    return options


def _check_unknown(options: dict[str, Any]) -> None:
    """Check that no option of another loss is among those of this one."""
    if options:
        known = list(inspect.signature(AutoSegLoss).parameters)[:-1]
        raise ValueError(
            '`AutoSegLoss` should have options of its own: '
            f'{", ".join(known)}. Found {", ".join(map(repr, options))}. '
            '`_delete_=True` beside `type` drops those that a base config '
            'brings.'
        )


def _check_ignored(label: Any) -> int | None:
    """Return a label to ignore if it is one, or None."""
    if isinstance(label, bool) or not isinstance(label, int | None):
        raise ValueError(
            f'`ignore_index` should be an integer or None. Found {label!r}.'
        )
    return label


def _check_name(name: Any) -> str:
    """Return the name of a loss if MMEngine takes it for one."""
    if not isinstance(name, str) or 'loss' not in name:
        raise ValueError(
            "`loss_name` should be text with 'loss' in it: MMEngine only "
            f'logs what has another name. Found {name!r}.'
        )
    return name


def _check_reduction(avg_factor: float | None, override: str | None) -> None:
    """Check that nothing is asked that has no meaning for a metric."""
    if avg_factor is not None:
        raise ValueError(
            '`avg_factor` should be None: a metric is no average over '
            f'pixels. Found {avg_factor!r}.'
        )
    if override not in (None, 'mean'):
        raise ValueError(
            "`reduction_override` should be None or 'mean': a metric is one "
            f'number. Found {override!r}. A pixel sampler of the head asks '
            'for that: set its `sampler=None`.'
        )


def _check_shapes(
    score: Tensor, label: Tensor, weight: Tensor | None, needs_maps: bool
) -> None:
    """Check that logits, labels and weights belong to the same pixels."""
    if needs_maps and score.dim() != 4:
        raise ValueError(
            '`cls_score` should have shape (N, C, H, W), for edges to be '
            f'seen. Found {tuple(score.shape)}. In place of PanopticFPNHead, '
            'which hands over single pixels, take MapPanopticFPNHead.'
        )
    if label.is_floating_point():
        raise ValueError(f'`label` should hold integers. Found {label.dtype}.')
    expected = (*score.shape[:1], *score.shape[2:])
    if score.dim() < 2 or tuple(label.shape) != expected:
        raise ValueError(
            f'`label` should have shape {expected} for logits of shape '
            f'{tuple(score.shape)}. Found {tuple(label.shape)}.'
        )
    if score.shape[1] == 1:
        raise ValueError(
            '`cls_score` should have a channel for each class, two for a '
            'binary one. Found 1. Set `out_channels` of the head to its '
            '`num_classes`.'
        )
    if weight is not None and weight.shape != label.shape:
        raise ValueError(
            f'`weight` should have shape {expected}. '
            f'Found {tuple(weight.shape)}.'
        )
