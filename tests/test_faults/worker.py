"""Explores under torchrun.

Arguments: work directory, and options of the loop as JSON.
"""

import json
import sys

from tests.test_faults import children

children.explore(sys.argv[1], **json.loads(sys.argv[2]))
