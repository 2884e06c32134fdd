"""Families of detectors, through the conformance suite."""

from __future__ import annotations

import pytest

from tests.test_families.conformance import FamilyConformance
from tests.test_families.one_stage import ONE_STAGE
from tests.test_families.queries import QUERIES
from tests.test_families.two_stage import TWO_STAGE

pytestmark = pytest.mark.slow

RETINANET, FCOS, ATSS, RTMDET_INS = ONE_STAGE
FASTER_RCNN, MASK_RCNN, CASCADE_MASK_RCNN, HTC = TWO_STAGE
DETR, DEFORMABLE_DETR, MASKFORMER, MASK2FORMER = QUERIES


class TestRetinaNet(FamilyConformance):
    case = RETINANET


class TestFcos(FamilyConformance):
    case = FCOS


class TestAtss(FamilyConformance):
    case = ATSS


class TestRtmdetIns(FamilyConformance):
    case = RTMDET_INS


class TestFasterRcnn(FamilyConformance):
    case = FASTER_RCNN


class TestMaskRcnn(FamilyConformance):
    case = MASK_RCNN


class TestCascadeMaskRcnn(FamilyConformance):
    case = CASCADE_MASK_RCNN


class TestHtc(FamilyConformance):
    case = HTC


class TestDetr(FamilyConformance):
    case = DETR


class TestDeformableDetr(FamilyConformance):
    case = DEFORMABLE_DETR


class TestMaskFormer(FamilyConformance):
    case = MASKFORMER


class TestMask2Former(FamilyConformance):
    case = MASK2FORMER
