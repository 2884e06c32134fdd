"""What all tests share."""

import pytest
from mmdet.visualization import DetLocalVisualizer
from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer


@pytest.fixture(autouse=True)
def forget_singletons():
    """Clears MMEngine's singletons, which outlive a Runner."""
    yield
    kept = (MMLogger, MessageHub, Visualizer, DetLocalVisualizer)
    for manager in kept:
        manager._instance_dict.clear()
