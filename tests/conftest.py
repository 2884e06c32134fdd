"""What all tests share.

The stack is imported where it is used: the process that hands out tests to
the workers of pytest-xdist needs none of it.
"""

import pytest


@pytest.fixture(autouse=True)
def forget_singletons():
    """Clears MMEngine's singletons, which outlive a Runner."""
    from mmdet.visualization import DetLocalVisualizer
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.visualization import Visualizer

    yield
    kept = (MMLogger, MessageHub, Visualizer, DetLocalVisualizer)
    for manager in kept:
        manager._instance_dict.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Skips a resume where MMEngine cannot."""
    from tests.support.checkpoint_loading import excuse

    report = yield
    excuse(item, report)
    return report
