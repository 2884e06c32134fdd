"""What the tiny detectors share."""

from __future__ import annotations

WIDTH = 16
PREPROCESSOR = dict(
    type='DetDataPreprocessor',
    mean=[120.0] * 3,
    std=[60.0] * 3,
    pad_size_divisor=32,
    pad_mask=True,
    pad_seg=True,
)
GROUP_NORM = dict(type='GN', num_groups=4)


def backbone(stages, out_indices):
    """Returns a ResNet of 8 channels at first, its norms frozen."""
    return dict(
        type='ResNet',
        depth=18,
        base_channels=8,
        num_stages=stages,
        strides=(1, 2, 2, 2)[:stages],
        dilations=(1,) * stages,
        out_indices=out_indices,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
    )
