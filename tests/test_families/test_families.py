"""Families of detectors, through the conformance suite."""

from __future__ import annotations

from tests.test_families.conformance import FamilyConformance
from tests.test_families.one_stage import ONE_STAGE
from tests.test_families.queries import QUERIES
from tests.test_families.two_stage import TWO_STAGE

RETINANET, FCOS, ATSS, RTMDET_INS = ONE_STAGE
FASTER_RCNN, MASK_RCNN, CASCADE_MASK_RCNN, HTC = TWO_STAGE
DETR, DEFORMABLE_DETR, MASKFORMER, MASK2FORMER = QUERIES


class TestRetinaNet(FamilyConformance):
    family = RETINANET


class TestFcos(FamilyConformance):
    family = FCOS


class TestAtss(FamilyConformance):
    family = ATSS


class TestRtmdetIns(FamilyConformance):
    family = RTMDET_INS


class TestFasterRcnn(FamilyConformance):
    family = FASTER_RCNN


class TestMaskRcnn(FamilyConformance):
    family = MASK_RCNN


class TestCascadeMaskRcnn(FamilyConformance):
    family = CASCADE_MASK_RCNN


class TestHtc(FamilyConformance):
    family = HTC


class TestDetr(FamilyConformance):
    family = DETR


class TestDeformableDetr(FamilyConformance):
    family = DEFORMABLE_DETR


class TestMaskFormer(FamilyConformance):
    family = MASKFORMER


class TestMask2Former(FamilyConformance):
    family = MASK2FORMER
