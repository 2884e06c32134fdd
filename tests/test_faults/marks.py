"""What is long, and so left to the long run."""

import pytest


def later(value):
    """Returns a parameter for the long run only."""
    return pytest.param(value, marks=pytest.mark.faults)
