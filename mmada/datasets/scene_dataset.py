"""The generated scenes as a dataset of mmdet."""

from __future__ import annotations

from mmdet.datasets import CocoPanopticDataset
from mmengine.registry import DATASETS

from mmada.datasets.scenes.classes import scene_metainfo


@DATASETS.register_module()
class ScenePanopticDataset(CocoPanopticDataset):
    """mmdet's ``CocoPanopticDataset`` with the classes of the scenes.

    It takes the arguments of the parent class. To use your own COCO panoptic
    files instead, take the parent class and give it your ``metainfo``.
    """

    METAINFO = scene_metainfo()
