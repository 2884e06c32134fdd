"""Learned loss weights for MMDetection's panoptic detectors.

``custom_imports = dict(imports=['mmada'])`` in a config registers everything.
"""

from __future__ import annotations

from ._stack import check_stack

check_stack()

from . import datasets, engine, evaluation, models  # noqa: E402
from .datasets import LoadPanopticAnnotations  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = [
    'LoadPanopticAnnotations',
    '__version__',
    'datasets',
    'engine',
    'evaluation',
    'models',
]
