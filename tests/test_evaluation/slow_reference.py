"""Panoptic quality by loops over segments, written from its definition.

Kirillov et al., "Panoptic Segmentation", CVPR 2019, section 4, and the rules
of the COCO panoptic task: one mask for each segment, no histogram, no runs.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

VOID = 0


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
    counts = defaultdict(lambda: dict(iou=0.0, tp=0, fp=0, fn=0))
    void = truth_ids == VOID
    found, used = set(), set()
    for segment in truth_segments:
        if segment['iscrowd']:
            continue
        mask = truth_ids == segment['id']
        for label, category in predicted_categories.items():
            predicted = predicted_ids == label
            intersection = np.sum(mask & predicted)
            if category != segment['category_id'] or not intersection:
                continue
            # The area that the annotation states, not that of the mask.
            union = (
                np.sum(predicted)
                + segment['area']
                - intersection
                - np.sum(predicted & void)
            )
            iou = intersection / union
            if iou > 0.5:
                counts[category]['iou'] += iou
                counts[category]['tp'] += 1
                found.add(segment['id'])
                used.add(label)
    crowd_of = {}
    for segment in truth_segments:
        if segment['iscrowd']:
            crowd_of[segment['category_id']] = segment['id']
        elif segment['id'] not in found:
            counts[segment['category_id']]['fn'] += 1
    for label, category in predicted_categories.items():
        if label in used:
            continue
        predicted = predicted_ids == label
        forgiven = np.sum(predicted & void)
        if category in crowd_of:
            forgiven += np.sum(predicted & (truth_ids == crowd_of[category]))
        if forgiven / np.sum(predicted) <= 0.5:
            counts[category]['fp'] += 1
    return {k: v for k, v in counts.items() if v['tp'] + v['fp'] + v['fn']}
