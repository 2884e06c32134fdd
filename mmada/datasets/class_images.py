"""On how many images each class is, by the annotations of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, LoadAnnotations

NAMED = 5
"""Classes that a message names; it counts the others."""


def count_class_images(
    dataset: Any, open_maps: bool = False
) -> dict[str, int] | None:
    """Count the images of a dataset on which each class is.

    Crowds and ignored objects do not count, as in an evaluation. No image is
    opened.

    Args:
        dataset: Panoptic, semantic or of objects; wrappers such as mosaics
            are looked through.
        open_maps: Opens the maps of semantic labels, which takes about as
            long as to open the images.

    Returns:
        The images of each class; None if the annotations do not say.
    """
    while not hasattr(dataset, 'get_data_info') and hasattr(
        dataset, 'dataset'
    ):
        dataset = dataset.dataset
    info = _shared_metainfo(dataset)
    classes = info.get('classes')
    if not classes or not hasattr(dataset, 'get_data_info'):
        return None
    num_things = len(info.get('thing_classes', classes))
    load = _map_loader(dataset) if open_maps else None
    images: Counter[int] = Counter()
    for index in range(len(dataset)):
        labels = _labels(dataset.get_data_info(index), num_things, load)
        if labels is None:
            return None
        images.update(labels)
    return {name: images[label] for label, name in enumerate(classes)}


def _shared_metainfo(dataset: Any) -> Mapping[str, Any]:
    """Return the metainfo, empty if the classes of joined datasets differ.

    MMDetection's ConcatDataset has a list of them if they differ in anything.
    """
    found = getattr(dataset, 'metainfo', None) or {}
    first, *others = found if isinstance(found, list) else [found]
    if any(each.get('classes') != first.get('classes') for each in others):
        return {}
    return first


def _map_loader(dataset: Any) -> BaseTransform | None:
    """Return the step of a dataset's pipeline that loads the truth."""
    while not hasattr(dataset, 'pipeline') and hasattr(dataset, 'dataset'):
        dataset = dataset.dataset
    pipeline = getattr(dataset, 'pipeline', None)
    steps = getattr(pipeline, 'transforms', ())
    return next((s for s in steps if isinstance(s, LoadAnnotations)), None)


def _labels(
    info: dict[str, Any], num_things: int, load: BaseTransform | None
) -> set[int] | None:
    """Return the classes on an image; None if they are not known.

    Args:
        info: Annotation of the image.
        num_things: How many classes, the first, are things.
        load: Opens the map of semantic labels; None for no map.
    """
    if 'segments_info' in info:
        return {
            segment['category']
            for segment in info['segments_info']
            # mmdet takes crowds for no things, whatever their class.
            if segment.get('is_thing') or segment['category'] >= num_things
        }
    if 'instances' in info:
        labels = {
            instance.get('bbox_label')  # objects without a class have none
            for instance in info['instances']
            if not instance.get('ignore_flag')
        }
        return None if None in labels else labels
    if load is not None and info.get('seg_map_path'):
        # Pixels of no class have a label beyond those of the classes.
        return set(np.unique(load(info)['gt_seg_map']).tolist())
    return None


def classes_left_out(
    reward: Mapping[str, int], training: Mapping[str, int] | None
) -> list[str]:
    """Return the classes that are trained, but on no reward image.

    Args:
        reward: Reward images of each class.
        training: Training images of each class; None if they are unknown,
            for which all classes count as trained.
    """
    return [
        name
        for name, images in reward.items()
        if not images and (training is None or training.get(name, 0) > 0)
    ]


def name_classes(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ', '.join(names[:NAMED])
    more = len(names) - NAMED
    return f'{shown} and {more} more' if more > 0 else shown
