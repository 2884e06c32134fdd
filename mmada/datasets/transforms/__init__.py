"""Pipeline steps."""

from .load_panoptic_annotations import LoadPanopticAnnotations

__all__ = ['LoadPanopticAnnotations']
