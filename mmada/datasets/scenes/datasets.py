"""The generated scenes as datasets of mmdet, panoptic and semantic."""

from __future__ import annotations

from typing import Any

from mmdet.datasets import CocoPanopticDataset
from mmengine.registry import DATASETS

from mmada.datasets.coco_panoptic import read_categories
from mmada.datasets.json_stream import read_members
from mmada.datasets.scenes.classes import scene_metainfo


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
class SceneSemanticDataset(ScenePanopticDataset):
    """The scenes for pipelines that know label maps only.

    All classes are in one list, things first; what belongs to no class is
    255. MMSegmentation's transforms follow the loading of the labels::

        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='mmada.LoadPanopticAnnotations',
                 with_bbox=False, with_label=False, with_mask=False),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]

    It takes the arguments of :class:`ScenePanopticDataset`.
    """

    def parse_data_info(self, raw_data_info: dict[str, Any]) -> dict[str, Any]:
        """Return what the pipeline gets of one image.

        Args:
            raw_data_info: Image and annotations, as the parent class wants
                them.

        Returns:
            The parent's fields but for the instances, and the names of the
            maps that MMSegmentation has to crop and flip with the image.
        """
        info: dict[str, Any] = super().parse_data_info(raw_data_info)
        del info['instances']
        return dict(info, seg_fields=['gt_seg_map'])
