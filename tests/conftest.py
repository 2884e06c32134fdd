"""What all tests share."""

import pytest
from mmdet.visualization import DetLocalVisualizer
from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer

from tests.support.checkpoint_loading import excuse


@pytest.fixture(autouse=True)
def forget_singletons():
    """Clears MMEngine's singletons, which outlive a Runner."""
    yield
    kept = (MMLogger, MessageHub, Visualizer, DetLocalVisualizer)
    for manager in kept:
        manager._instance_dict.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Skips a resume where MMEngine cannot."""
    report = yield
    excuse(item, report)
    return report
