"""Metrics: panoptic quality without panopticapi, semantic segmentation."""

from mmada.evaluation.class_counts import (
    ClassCounts,
    Quality,
    Report,
    average_quality,
    class_quality,
    class_table,
    group_table,
    make_report,
)
from mmada.evaluation.folders import evaluate_folders
from mmada.evaluation.matching import ImageCounts, Truth, count_image
from mmada.evaluation.panoptic_quality import PanopticQuality
from mmada.evaluation.resampling import resample_quality
from mmada.evaluation.segmentation_quality import SegmentationQuality
from mmada.evaluation.semantic_counts import (
    SemanticCounts,
    count_semantic,
    semantic_quality,
)
from mmada.evaluation.subset_coco_metric import (
    SubsetCocoMetric,
    coco_metric_class,
    score_of_nothing,
)

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
    'coco_metric_class',
    'count_image',
    'count_semantic',
    'evaluate_folders',
    'group_table',
    'make_report',
    'resample_quality',
    'score_of_nothing',
    'semantic_quality',
]
