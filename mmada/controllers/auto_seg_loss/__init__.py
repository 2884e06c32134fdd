"""Auto Seg-Loss: the shape of a surrogate loss, searched by PPO."""

from mmada.controllers.auto_seg_loss.controller import AutoSegLossSearch

__all__ = ['AutoSegLossSearch']
