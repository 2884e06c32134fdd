"""The six metrics of hard label maps, pixel by pixel, as plain Python.

Independent of the package: loops over pixels, sets and counts alone. Lists of
images, each a list of rows; ``None`` marks an ignored label.
"""

from __future__ import annotations

from statistics import fmean


def pixels(maps):
    """Yields (image, row, column) of every pixel."""
    for n, image in enumerate(maps):
        for i, row in enumerate(image):
            for j in range(len(row)):
                yield n, i, j


def at(maps, pixel):
    n, i, j = pixel
    return maps[n][i][j]


def around(maps, pixel, radius):
    """Yields the pixels of the window around one, inside the image."""
    n, i, j = pixel
    for k in range(max(0, i - radius), min(len(maps[n]), i + radius + 1)):
        for m in range(
            max(0, j - radius), min(len(maps[n][k]), j + radius + 1)
        ):
            yield n, k, m


def edge_set(maps, kind):
    """Pixels of a class with a pixel beside them that is not of it."""
    return {
        p
        for p in pixels(maps)
        if at(maps, p) == kind
        and any(at(maps, q) != kind for q in around(maps, p, 1))
    }


def ious(pred, true, classes, counted):
    """Intersection over union of each class, 0 where there is none."""
    found = []
    for c in range(classes):
        inter = sum(at(pred, p) == c == at(true, p) for p in counted)
        union = sum(c in (at(pred, p), at(true, p)) for p in counted)
        found.append(inter / union if union else 0.0)
    return found


def valid(true):
    return [p for p in pixels(true) if at(true, p) is not None]


def mean_iou(pred, true, classes, **_):
    return fmean(ious(pred, true, classes, valid(true)))


def frequency_weighted_iou(pred, true, classes, **_):
    kept = valid(true)
    sizes = [sum(at(true, p) == c for p in kept) for c in range(classes)]
    each = ious(pred, true, classes, kept)
    return sum(s * x for s, x in zip(sizes, each, strict=True)) / len(kept)


def boundary_iou(pred, true, classes, tolerance, drop_bg):
    edges = set().union(
        *(edge_set(true, c) for c in range(int(drop_bg), classes))
    )
    near = [
        p
        for p in valid(true)
        if any(q in edges for q in around(true, p, tolerance))
    ]
    return fmean(ious(pred, true, classes, near))


def mean_accuracy(pred, true, classes, **_):
    found = []
    for c in range(classes):
        mine = [p for p in valid(true) if at(true, p) == c]
        hits = sum(at(pred, p) == c for p in mine)
        found.append(hits / len(mine) if mine else 0.0)
    return fmean(found)


def global_accuracy(pred, true, classes, **_):
    return fmean(float(at(pred, p) == at(true, p)) for p in valid(true))


def boundary_f1(pred, true, classes, tolerance, drop_bg):
    scores = []
    for c in range(int(drop_bg), classes):
        ours, theirs = edge_set(pred, c), edge_set(true, c)
        if not theirs:
            continue
        right = sum(_near(true, p, theirs, tolerance) for p in ours)
        hit = sum(_near(true, p, ours, tolerance) for p in theirs)
        precision = right / len(ours) if ours else 0.0
        recall = hit / len(theirs)
        both = precision + recall
        scores.append(2 * precision * recall / both if both else 0.0)
    return fmean(scores)


def _near(maps, pixel, others, tolerance):
    return any(q in others for q in around(maps, pixel, tolerance))


TRUE_METRICS = {
    'mIoU': mean_iou,
    'FWIoU': frequency_weighted_iou,
    'BIoU': boundary_iou,
    'mAcc': mean_accuracy,
    'gAcc': global_accuracy,
    'BF1': boundary_f1,
}
