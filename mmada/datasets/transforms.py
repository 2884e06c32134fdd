"""Pipeline steps: loading and numbering of panoptic annotations."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets import transforms as mmdet_transforms
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.structures.mask import BitmapMasks
from mmengine.fileio import get
from mmengine.registry import TRANSFORMS
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import decode_id_map, is_flag

IGNORE = 255
"""Semantic label of pixels that belong to no listed segment."""

TURNED = (
    ' Where the EXIF orientation turns an image, load it with '
    "`color_type='color_ignore_orientation'` of LoadImageFromFile."
)


class _EqualToMMDets(ABCMeta):
    """Makes a class equal to mmdet's class of the same name.

    mmdet's ``get_loading_pipeline``, which its ``analyze_results.py`` and
    others call, takes the steps of a pipeline whose class is in a tuple of
    mmdet's own.
    """

    def __eq__(cls, other: object) -> bool:
        return cls is other or other is getattr(
            mmdet_transforms, cls.__name__, None
        )

    __hash__ = ABCMeta.__hash__


class LoadPanopticAnnotations(LoadAnnotations, metaclass=_EqualToMMDets):
    """Load boxes, labels, masks and the semantic map of a panoptic image.

    Same results as mmdet's class of this name, which needs panopticapi.
    Because of that name it is in no registry: a config names it by its
    import path, ``type='mmada.datasets.LoadPanopticAnnotations'``.

    Args:
        with_bbox: Whether to load boxes. Defaults to True.
        with_label: Whether to load the boxes' labels. Defaults to True.
        with_mask: Whether to load masks. Defaults to True.
        with_seg: Whether to load the semantic map. Defaults to True.
        box_type: Box class of mmdet, None for arrays. Defaults to 'hbox'.
        backend_args: File backend of mmengine. Defaults to None.
        imdecode_backend: Of mmdet's class; without effect, OpenCV decodes
            the maps. Defaults to 'cv2'.

    Raises:
        ValueError: If a segment map is no image or its size is not that of
            the photograph.
    """

    def __init__(
        self,
        with_bbox: bool = True,
        with_label: bool = True,
        with_mask: bool = True,
        with_seg: bool = True,
        box_type: str | None = 'hbox',
        backend_args: dict[str, Any] | None = None,
        imdecode_backend: str = 'cv2',
    ) -> None:
        super().__init__(
            with_bbox=with_bbox,
            with_label=with_label,
            with_mask=with_mask,
            with_seg=with_seg,
            box_type=box_type,
            backend_args=backend_args,
            imdecode_backend=imdecode_backend,
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_ignore_flags``,
        ``gt_masks`` and ``gt_seg_map``.

        Args:
            results: ``instances``, ``segments_info``, ``seg_map_path`` and
                ``ori_shape`` of a ``CocoPanopticDataset``.

        Returns:
            The same dict.
        """
        if self.with_bbox:
            self._load_bboxes(results)
        if self.with_label:
            self._load_labels(results)
        path = results.get('seg_map_path')
        if path is not None and (self.with_mask or self.with_seg):
            self._load_maps(results, path)
        return results

    def _load_maps(self, results: dict[str, Any], path: str) -> None:
        ids = _read_map(path, tuple(results['ori_shape']), self.backend_args)
        segments = results['segments_info']
        _check_flags(path, segments)
        if self.with_mask:
            # Crowds come with is_thing=False: they have no mask to learn.
            masks = [
                (ids == s['id']).astype(np.uint8)
                for s in segments
                if s.get('is_thing')
            ]
            results['gt_masks'] = BitmapMasks(masks, *ids.shape)
        if self.with_seg:
            seg_map = np.full_like(ids, IGNORE)
            for segment in segments:
                seg_map[ids == segment['id']] = segment['category']
            results['gt_seg_map'] = seg_map


def _read_map(
    path: str, shape: tuple[int, ...], backend_args: dict[str, Any] | None
) -> NDArray[np.int32]:
    try:
        ids = decode_id_map(get(path, backend_args=backend_args))
    except ValueError as error:
        raise ValueError(f'Segment map {path}: {error}') from None
    if ids.shape != shape:
        advice = TURNED if ids.shape == shape[::-1] else ''
        raise ValueError(
            f'Segment map {path} should have the shape {shape} '
            f'of its image. Found {ids.shape}.{advice}'
        )
    return ids


def _check_flags(path: str, segments: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what mmdet's dataset took for a thing, such as the text '0'."""
    for segment in segments:
        flag = segment.get('is_thing', False)
        if not is_flag(flag):
            raise ValueError(
                f'Segment map {path}: isthing of the category with label '
                f'{segment["category"]} should be 0 or 1. Found {flag!r}.'
            )


@TRANSFORMS.register_module()
class MergeThingLabels(BaseTransform):
    """Number stuff classes from 0 and give all things the label after them.

    mmdet's ``PanopticFPNHead`` knows of things only that they are things,
    and renumbers the labels itself when it trains. To score what it predicts,
    put this behind the loading of the truth and tell the metric of
    ``num_classes=num_stuff + 1``. A head with a channel for every class needs
    nothing of this: the loaded map has things first, then stuff.

    Args:
        num_things: Number of thing classes; their labels come first.
        num_stuff: Number of stuff classes; their labels follow.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(self, num_things: int, num_stuff: int) -> None:
        for name, value in dict(
            num_things=num_things, num_stuff=num_stuff
        ).items():
            if value < 1:
                raise ValueError(
                    f'`{name}` should be at least 1. Found {value}.'
                )
        self.num_things = num_things
        self.num_stuff = num_stuff

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change ``gt_seg_map``; labels of no class stay as they are.

        Args:
            results: ``gt_seg_map`` of ``LoadPanopticAnnotations``.

        Returns:
            The same dict.
        """
        labels = results['gt_seg_map']
        merged = labels.copy()
        things = (labels >= 0) & (labels < self.num_things)
        stuff = (labels >= self.num_things) & (
            labels < self.num_things + self.num_stuff
        )
        merged[things] = self.num_stuff
        merged[stuff] -= self.num_things
        results['gt_seg_map'] = merged
        return results
