"""Whether this stack's MMEngine can load a checkpoint of its own."""

from __future__ import annotations

import inspect

import pytest
from mmengine.runner import checkpoint

# torch 2.6 and newer load tensors alone unless told otherwise.
LOADS = 'weights_only' in inspect.getsource(checkpoint)
REASON = 'MMEngine loads no checkpoint of its own with this torch'
_MESSAGE = 'Weights only load failed'


def excuse(item: pytest.Item, report: pytest.TestReport) -> None:
    """Turns a failure into a skip if it is no more than that.

    Args:
        item: The test.
        report: Of one of its phases.
    """
    if LOADS or not report.failed or _MESSAGE not in report.longreprtext:
        return
    report.outcome = 'skipped'
    report.longrepr = (str(item.path), 0, f'Skipped: {REASON}')
