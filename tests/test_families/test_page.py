"""docs/detectors.md says what the suite tests."""

from __future__ import annotations

from tests.test_families import test_families, test_segmentors
from tests.test_families.conformance import FamilyConformance
from tests.test_families.page import FAMILIES, PAGE, with_tables


def test_the_tables_are_those_of_the_cases() -> None:
    page = PAGE.read_text()
    assert page == with_tables(page)


def test_every_family_of_the_page_is_tested() -> None:
    tested = [
        suite.case.name
        for module in (test_families, test_segmentors)
        for suite in vars(module).values()
        if isinstance(suite, type)
        and issubclass(suite, FamilyConformance)
        and suite is not FamilyConformance
    ]
    assert sorted(tested) == sorted(family.name for family in FAMILIES)
