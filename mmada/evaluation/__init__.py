"""Panoptic quality, computed in memory and without panopticapi."""

from .counting import ImageCounts, Truth, count_image
from .folders import evaluate_folders
from .panoptic_quality import PanopticQuality
from .quality import ClassCounts, Quality, average_quality, class_quality
from .report import Report, class_table, group_table, make_report

__all__ = [
    'ClassCounts',
    'ImageCounts',
    'PanopticQuality',
    'Quality',
    'Report',
    'Truth',
    'average_quality',
    'class_quality',
    'class_table',
    'count_image',
    'evaluate_folders',
    'group_table',
    'make_report',
]
