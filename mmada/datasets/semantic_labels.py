"""A panoptic data set for pipelines that know label maps only."""

from __future__ import annotations

from typing import Any

from mmdet.datasets import CocoPanopticDataset


class SemanticLabels(CocoPanopticDataset):
    """A ``CocoPanopticDataset`` of label maps, without instances.

    All classes are in one list, things first; what belongs to no class is
    255. MMSegmentation's transforms follow the loading of the labels::

        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='mmada.LoadPanopticAnnotations',
                 with_bbox=False, with_label=False, with_mask=False),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ]

    A subclass of this and of a panoptic data set takes the arguments of the
    latter.
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
