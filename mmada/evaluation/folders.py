"""Panoptic quality of predictions that are in files."""

from __future__ import annotations

from collections.abc import Collection

from mmada.datasets.coco_panoptic import (
    Annotation,
    read_annotations,
    read_json,
    read_segment_map,
    to_int,
)
from mmada.evaluation.class_counts import (
    ClassesOf,
    Report,
    make_report,
    sum_counts,
)
from mmada.evaluation.coco_truth import CocoTruth
from mmada.evaluation.matching import count_image


def evaluate_folders(
    gt_json: str,
    gt_folder: str,
    pred_json: str,
    pred_folder: str,
    classes_of: ClassesOf = 'official',
) -> Report:
    """Evaluate files of the COCO panoptic format, as the reference does.

    Args:
        gt_json: Annotation file of the truth.
        gt_folder: Folder of its segment maps.
        pred_json: Annotation file of the predictions; it needs no areas.
        pred_folder: Folder of their segment maps.
        classes_of: Classes to average over, as in `make_report`.

    Returns:
        Quality of all images of the truth.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If the files contradict each other.
    """
    truth = CocoTruth(gt_json, gt_folder)
    predictions = read_annotations(read_json(pred_json), pred_json)
    missing = [i for i in truth.annotations if i not in predictions]
    if missing:
        raise ValueError(
            f'{pred_json} should have a prediction for every image of '
            f'{gt_json}. Found none for {len(missing)}, such as '
            f'{missing[0]!r}.'
        )
    records = []
    for image_id in truth.annotations:
        annotation = predictions[image_id]
        try:
            categories = _read_segments(annotation, truth.categories)
        except ValueError as error:
            raise ValueError(
                f'image {image_id} of {pred_json}: {error}'
            ) from None
        segments = read_segment_map(pred_folder, annotation.file_name)
        records.append(
            count_image(image_id, truth[image_id], segments, categories)
        )
    counts = sum_counts(records, truth.categories)
    return make_report(counts, truth.categories, classes_of)


def _read_segments(
    annotation: Annotation, known: Collection[int]
) -> dict[int, int]:
    """Return the category of each predicted segment."""
    place = 'a segment'
    try:
        categories = {
            to_int(place, 'id', s['id']): to_int(
                place, 'category_id', s['category_id']
            )
            for s in annotation.segments_info
        }
    except TypeError:
        raise ValueError(
            'a segment should be an object. Found another value.'
        ) from None
    except KeyError as error:
        raise ValueError(
            f'a segment should have {error}. Found none.'
        ) from None
    unknown = sorted(set(categories.values()) - set(known))
    if unknown:
        raise ValueError(
            f'`category_id` should be one of {sorted(known)}. Found {unknown}.'
        )
    return categories
