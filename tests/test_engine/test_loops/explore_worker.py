"""Explores the toy problem in a process that a test kills."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests import toy  # noqa: E402

toy.runner(sys.argv[1], train_cfg=toy.exploration()).train()
