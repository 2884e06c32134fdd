"""The generated scenes as datasets of mmdet, panoptic and semantic."""

from __future__ import annotations

from typing import Any

from mmdet.datasets import CocoPanopticDataset
from mmengine.registry import DATASETS

from mmada.datasets.coco_panoptic import read_categories
from mmada.datasets.json_stream import read_members
from mmada.datasets.scenes.classes import scene_metainfo
from mmada.datasets.semantic_labels import SemanticLabels


@DATASETS.register_module()
class ScenePanopticDataset(CocoPanopticDataset):
    """mmdet's ``CocoPanopticDataset`` with the classes of the scenes.

    It takes the arguments of the parent class. To use your own COCO panoptic
    files instead, take the parent class and give it your ``metainfo``.
    """

    METAINFO = scene_metainfo()

    def load_data_list(self) -> list[dict[str, Any]]:
        """Load the annotations, once the categories have been checked.

        Raises:
            ValueError: If a field of a category is missing or does not fit.
        """
        content = {
            key: list(value) if key == 'categories' else None
            for key, value in read_members(self.ann_file, self.backend_args)
        }
        read_categories(content, self.ann_file)
        found: list[dict[str, Any]] = super().load_data_list()
        return found


@DATASETS.register_module()
class SceneSemanticDataset(SemanticLabels, ScenePanopticDataset):
    """The scenes as label maps; see :class:`SemanticLabels`."""
