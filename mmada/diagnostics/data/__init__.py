"""The library of ``tools/check_data.py``: faults of a panoptic data set.

`check_data_set` reads a data set and checks all of it. The other functions
are given what was read and return the faults of one part.
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
from mmada.diagnostics.data.data_set import Checked, check_data_set
from mmada.diagnostics.data.faults import KINDS, Fault, Kind, Tally
from mmada.diagnostics.data.images import DataSet, check_map, check_sizes

__all__ = [
    'KINDS',
    'Checked',
    'DataSet',
    'Fault',
    'ImageEntry',
    'Kind',
    'Segment',
    'Tally',
    'check_annotated',
    'check_apart',
    'check_categories',
    'check_data_set',
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
