"""Runs Algorithm 1 on the toy problem in a process that a test kills."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.test_engine.test_loops import (  # noqa: E402
    test_explore_then_train_loop as algorithm,
)

algorithm.build(sys.argv[1]).train()
