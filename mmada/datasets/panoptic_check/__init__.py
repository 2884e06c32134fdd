"""What can be wrong with a panoptic data set, and functions that find it.

The functions are given what was read and return faults; reading is up to the
caller, such as ``tools/check_data.py``.
"""

from .categories import check_categories, unused_categories
from .entries import (
    ImageEntry,
    check_annotated,
    check_files,
    check_images,
    check_map_name,
    parse_image,
)
from .faults import Fault, Tally
from .kinds import KINDS, Kind
from .maps import check_map, check_sizes
from .segments import Segment, check_segments, parse_segments
from .splits import check_apart

__all__ = [
    'KINDS',
    'Fault',
    'ImageEntry',
    'Kind',
    'Segment',
    'Tally',
    'check_annotated',
    'check_apart',
    'check_categories',
    'check_files',
    'check_images',
    'check_map',
    'check_map_name',
    'check_segments',
    'check_sizes',
    'parse_image',
    'parse_segments',
    'unused_categories',
]
