"""A segmentor of MMSegmentation, through the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.test_families.conformance import FamilyConformance
from tests.test_families.segmentors import SEGMENTORS

pytestmark = pytest.mark.slow

(FCN,) = SEGMENTORS


@pytest.fixture(scope='module', autouse=True)
def mmseg() -> Iterator[None]:
    """Leaves no visualizer of MMSegmentation behind."""
    visualization = pytest.importorskip(
        'mmseg.visualization', reason='[mmseg] is not installed'
    )
    yield
    visualization.SegLocalVisualizer._instance_dict.clear()


class TestFcn(FamilyConformance):
    case = FCN
