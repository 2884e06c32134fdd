"""Pipeline steps."""

from .load_panoptic_annotations import LoadPanopticAnnotations
from .merge_thing_labels import MergeThingLabels

__all__ = ['LoadPanopticAnnotations', 'MergeThingLabels']
