"""What tests with MMSegmentation share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mmengine.registry import DefaultScope, init_default_scope


@pytest.fixture
def mmseg_scope() -> Iterator[None]:
    """Builds from MMSegmentation, and leaves no trace of it."""
    visualization = pytest.importorskip(
        'mmseg.visualization', reason='[mmseg] is not installed'
    )
    kept = dict(DefaultScope._instance_dict)
    init_default_scope('mmseg')
    yield
    visualization.SegLocalVisualizer._instance_dict.clear()
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(kept)
