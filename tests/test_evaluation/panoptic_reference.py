"""Panoptic quality by hotcoco, which gives the reference evaluator's numbers.

hotcoco takes segment maps from files. It differs from `mmada.evaluation`:

- It adds IoUs one to the other, those of an image first; the reference, those
  of all images. Ours are rounded once, so that they do not depend on the order
  of the images. Up to two of them are the same to the last bit: `rounding`.
- The quality of a class of which nothing was counted, and of a group of such
  classes, is -1. Here it is 0 for the class, as in the reference, and NaN for
  the group, where the reference divides by zero.
- A class that the truth has, but the list of categories lacks, is counted and
  not reported, as in the reference. Here it is an error.

A stated area by which a union is empty is an error in both.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hotcoco.panoptic import PanopticEval

from mmada.datasets.coco_panoptic import id_to_rgb, write_png


def rounding(terms):
    """Return how far apart two sums of positive terms may be, relatively.

    One is rounded once, the other after each addition.
    """
    return 0 if terms <= 2 else terms * 2**-53


def evaluate(gt, gt_folder, pred, pred_folder):
    """Evaluate files, or what JSON files would hold beside folders of maps."""
    evaluator = PanopticEval(
        gt, pred, gt_folder=gt_folder, pred_folder=pred_folder
    )
    evaluator.evaluate()
    return evaluator.results()


def count(truth_ids, truth_segments, predicted_ids, predicted_categories):
    """Count one image.

    Args:
        truth_ids: Ids (height, width).
        truth_segments: Dicts with id, category_id, area and iscrowd.
        predicted_ids: Ids (height, width).
        predicted_categories: Category of each predicted id.

    Returns:
        Dict of category to dict of iou, tp, fp and fn.
    """
    predicted_segments = [
        dict(id=label, category_id=category)
        for label, category in predicted_categories.items()
    ]
    categories = {
        s['category_id'] for s in truth_segments + predicted_segments
    }
    with tempfile.TemporaryDirectory() as name:
        truth = _write(Path(name), 'gt', truth_ids, truth_segments)
        truth['categories'] = [
            dict(id=c, name=str(c), isthing=1) for c in sorted(categories)
        ]
        predicted = _write(
            Path(name), 'pred', predicted_ids, predicted_segments
        )
        results = evaluate(truth, name, predicted, name)
    counts = {
        category: {k: found[k] for k in ('iou', 'tp', 'fp', 'fn')}
        for category, found in results['per_class'].items()
    }
    return {k: v for k, v in counts.items() if v['tp'] + v['fp'] + v['fn']}


def _write(folder, stem, ids, segments_info):
    """Write a map and return the content of its annotation file."""
    write_png(folder / f'{stem}.png', id_to_rgb(ids))
    annotation = dict(
        image_id=0, file_name=f'{stem}.png', segments_info=segments_info
    )
    return dict(annotations=[annotation])
