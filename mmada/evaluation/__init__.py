"""Metrics: panoptic quality without panopticapi, semantic segmentation."""

from mmada.evaluation.averages import (
    ClassCounts,
    Quality,
    average_quality,
    class_quality,
)
from mmada.evaluation.matching import ImageCounts, Truth, count_image

from .folders import evaluate_folders
from .panoptic_quality import PanopticQuality
from .report import Report, class_table, group_table, make_report
from .resampling import resample_quality
from .segmentation_quality import SegmentationQuality
from .semantic_counts import SemanticCounts, count_semantic
from .semantic_quality import semantic_quality
from .subset_coco_metric import SubsetCocoMetric

__all__ = [
    'ClassCounts',
    'ImageCounts',
    'PanopticQuality',
    'Quality',
    'Report',
    'SegmentationQuality',
    'SemanticCounts',
    'SubsetCocoMetric',
    'Truth',
    'average_quality',
    'class_quality',
    'class_table',
    'count_image',
    'count_semantic',
    'evaluate_folders',
    'group_table',
    'make_report',
    'resample_quality',
    'semantic_quality',
]
