"""Explores the toy problem in processes that a test kills.

Arguments: work directory, and options of the loop as JSON.
"""

import json
import sys

from tests.support import processes, toy

options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
toy.runner(
    sys.argv[1],
    train_cfg=toy.exploration(**options),
    resume=True,
    **processes.join(),
).train()
processes.leave()
