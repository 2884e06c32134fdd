"""Panoptic quality of predictions that are in files."""

from __future__ import annotations

from .coco_files import (
    CocoTruth,
    read_annotations,
    read_json,
    read_segment_map,
)
from .counting import ImageCounts, count_image
from .quality import sum_counts
from .report import ClassesOf, Report, make_report


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
            f'{gt_json}, found none for {len(missing)}, such as '
            f'{missing[0]!r}'
        )
    records: list[ImageCounts] = []
    for image_id in truth.annotations:
        file_name, segments_info = predictions[image_id]
        try:
            categories = {
                int(s['id']): int(s['category_id']) for s in segments_info
            }
        except KeyError as error:
            raise ValueError(
                f'image {image_id}: a segment of {pred_json} should have '
                f'{error}'
            ) from None
        unknown = sorted(set(categories.values()) - set(truth.categories))
        if unknown:
            raise ValueError(
                f'image {image_id}: category_id of {pred_json} should be one '
                f'of {sorted(truth.categories)}, found {unknown}'
            )
        segments = read_segment_map(pred_folder, file_name)
        records.append(
            count_image(image_id, truth[image_id], segments, categories)
        )
    counts = sum_counts(records, truth.categories)
    return make_report(counts, truth.categories, classes_of)
