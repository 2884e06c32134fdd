"""Runs and models that the tests of the report share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_visualization.test_report.oracle import make_models


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    """Work directories of a model that sees no balls and of a perfect one."""
    return make_models(tmp_path)
