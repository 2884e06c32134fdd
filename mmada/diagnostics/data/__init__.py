"""What can be wrong with a panoptic data set, and functions that find it.

The functions are given what was read and return faults; reading is up to the
caller, such as ``tools/check_data.py``.
"""

from mmada.diagnostics.data.annotations import (
    ImageEntry,
    Segment,
    check_annotated,
    check_apart,
    check_categories,
    check_files,
    check_images,
    check_map_name,
    check_segments,
    parse_image,
    parse_segments,
    unused_categories,
)
from mmada.diagnostics.data.faults import KINDS, Fault, Kind, Tally
from mmada.diagnostics.data.images import check_map, check_sizes

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
