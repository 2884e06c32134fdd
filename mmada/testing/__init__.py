"""Suites of tests for controllers, weightings and detectors of one's own.

A suite is a class of tests for pytest. Subclass it with a name that pytest
collects and say what is to be tested; `docs/extending.md` has examples.
"""

try:
    import pytest
except ImportError as error:
    raise ImportError(
        'mmada.testing needs pytest, which is not installed: '
        'pip install pytest'
    ) from error

# Failed assertions of the suites then show their values, as in a test file.
pytest.register_assert_rewrite(
    'mmada.testing.controller_rounds',
    'mmada.testing.controllers',
    'mmada.testing.detectors',
    'mmada.testing.weightings',
)

from mmada.testing.controllers import (  # noqa: E402
    ActionControllerConformance,
    ControllerConformance,
    ScheduleSearchConformance,
    StaticSearchConformance,
    WeightControllerConformance,
)
from mmada.testing.detector_case import ALL, DetectorCase  # noqa: E402
from mmada.testing.detectors import DetectorConformance  # noqa: E402
from mmada.testing.weightings import (  # noqa: E402
    GradientWeightingConformance,
    StepWeightingConformance,
    WeightingConformance,
)

__all__ = [
    'ALL',
    'ActionControllerConformance',
    'ControllerConformance',
    'DetectorCase',
    'DetectorConformance',
    'GradientWeightingConformance',
    'ScheduleSearchConformance',
    'StaticSearchConformance',
    'StepWeightingConformance',
    'WeightControllerConformance',
    'WeightingConformance',
]
