"""Counts of a semantic segmentation, pixel by pixel, in plain loops."""

from __future__ import annotations

from itertools import product


def window(labels, y, x, reach):
    """Yield the pixels of an image at most ``reach`` away, with (y, x)."""
    for v in range(max(y - reach, 0), min(y + reach + 1, len(labels))):
        for u in range(max(x - reach, 0), min(x + reach + 1, len(labels[0]))):
            yield v, u


def edge(labels, c):
    """Pixels of class c whose 3x3 window is not all of class c."""
    return {
        (y, x)
        for y, x in product(range(len(labels)), range(len(labels[0])))
        if labels[y][x] == c
        and any(labels[v][u] != c for v, u in window(labels, y, x, 1))
    }


def dilate(pixels, labels, reach):
    return {near for y, x in pixels for near in window(labels, y, x, reach)}


def count(truth, predicted, num_classes, tolerance, background):
    """Ten counts of each class; a true label >= num_classes is none."""
    classes = range(num_classes)
    every = set(product(range(len(truth)), range(len(truth[0]))))
    labelled = {(y, x) for y, x in every if truth[y][x] < num_classes}
    true = [edge(truth, c) for c in classes]
    found = [edge(predicted, c) for c in classes]
    trimap = set()
    for c in classes:
        if c != background:
            trimap |= dilate(true[c], truth, tolerance)
    rows = []
    for where in (labelled, labelled & trimap):
        of_truth = [
            {p for p in where if truth[p[0]][p[1]] == c} for c in classes
        ]
        of_found = [
            {p for p in where if predicted[p[0]][p[1]] == c} for c in classes
        ]
        rows += [
            [len(of_truth[c] & of_found[c]) for c in classes],
            [len(of_truth[c]) for c in classes],
            [len(of_found[c]) for c in classes],
        ]
    near_true = [dilate(true[c], truth, tolerance) for c in classes]
    near_found = [dilate(found[c], truth, tolerance) for c in classes]
    return [
        *rows,
        [len(true[c]) for c in classes],
        [len(found[c]) for c in classes],
        [len(true[c] & near_found[c]) for c in classes],
        [len(found[c] & near_true[c]) for c in classes],
    ]
