"""Average precision on resampled images, from COCO's matches.

What COCO's evaluation matched in each image does not depend on other images.
So the precision of a draw with replacement follows from the matches and from
how often each image was drawn, as if the drawn images had been evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from mmdet.datasets.api_wrappers import COCOeval
from numpy.typing import NDArray

from mmada.evaluation.resampling import draw_images

FEW = 100
"""So many objects of an image and class count for mAP, as for COCO."""
AT = {'mAP_50': 0.5, 'mAP_75': 0.75}


class _Matches(NamedTuple):
    """What was found of one class, by falling score, and what is there.

    Attributes:
        image: Number of the image of each detection, (D).
        correct: Whether it matches an object at each of T IoUs, (T, D).
        wrong: Whether it is a false positive there, (T, D).
        truth: Number of the image of each object that counts, (G).
    """

    image: NDArray[np.intp]
    correct: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    truth: NDArray[np.intp]


def resample_precision(
    evaluated: COCOeval, num_resamples: int
) -> dict[str, NDArray[np.float64]]:
    """Return mAP, mAP_50 and mAP_75 on resampled images.

    The draws are those of :func:`draw_images`, for images sorted by id.

    Args:
        evaluated: COCO's evaluation of some images, after its `evaluate`.
        num_resamples: B, the number of draws.

    Returns:
        B values in [0, 1] by name, NaN for a draw without an object; a name
        is missing where its IoU was not evaluated.
    """
    params = evaluated.params
    ious = np.asarray(params.iouThrs)
    rows = {name: np.isclose(ious, value) for name, value in AT.items()}
    rows = {name: row for name, row in rows.items() if row.any()}
    most = params.maxDets[-1]
    classes = {n: list(_classes(evaluated, n)) for n in (FEW, most)}
    found: dict[str, NDArray[np.float64]] = {
        name: np.empty(num_resamples) for name in ('mAP', *rows)
    }
    draws = draw_images(len(params.imgIds), num_resamples)
    for b, drawn in enumerate(draws):
        by_class = {
            n: np.array(
                [_precision(m, drawn, params.recThrs) for m in matches]
            ).reshape(-1, len(ious))
            for n, matches in classes.items()
        }
        found['mAP'][b] = _mean(by_class[FEW])
        for name, row in rows.items():
            found[name][b] = _mean(by_class[most][:, row])
    return found


def _classes(evaluated: COCOeval, most: int) -> Iterator[_Matches]:
    """Yield the matches of each class, objects of all sizes."""
    params = evaluated.params
    num_images = len(params.imgIds)
    stride = num_images * len(params.areaRng)  # the first range is all sizes
    for start in range(0, len(evaluated.evalImgs), stride):
        images = [
            (number, image)
            for number, image in enumerate(
                evaluated.evalImgs[start : start + num_images]
            )
            if image is not None
        ]
        if images:
            yield _matches(images, most)


def _matches(images: list[tuple[int, dict]], most: int) -> _Matches:
    scores = [image['dtScores'][:most] for _, image in images]
    number = np.concatenate(
        [np.full(len(image['dtScores'][:most]), k) for k, image in images]
    )
    # A stable sort, so that equal scores stay in the order of the images.
    order = np.argsort(-np.concatenate(scores), kind='mergesort')
    matched, ignored = (
        np.concatenate([image[key][:, :most] for _, image in images], 1)[
            :, order
        ].astype(bool)
        for key in ('dtMatches', 'dtIgnore')
    )
    truth = [
        np.full(np.count_nonzero(np.asarray(image['gtIgnore']) == 0), k)
        for k, image in images
    ]
    return _Matches(
        number[order].astype(np.intp),
        matched & ~ignored,
        ~matched & ~ignored,
        np.concatenate(truth).astype(np.intp),
    )


def _precision(
    matches: _Matches, drawn: NDArray[np.intp], recalls: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the precision of a draw, averaged over recalls, at each IoU.

    As COCO: the precision at a recall is the best one at that recall or
    above, and 0 where it is not reached.

    Args:
        matches: Of one class.
        drawn: How often each image was drawn.
        recalls: Those that are averaged over.

    Returns:
        T values in [0, 1], NaN if no object was drawn.
    """
    objects = drawn[matches.truth].sum()
    if not objects:
        return np.full(len(matches.correct), np.nan)
    times = drawn[matches.image]
    right = np.cumsum(times * matches.correct, 1)
    wrong = np.cumsum(times * matches.wrong, 1)
    precision = right / (right + wrong + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    means = np.zeros(len(best))
    for t, recall in enumerate(right / objects):
        reached = np.searchsorted(recall, recalls, side='left')
        reached = reached[reached < len(recall)]
        means[t] = best[t, reached].sum() / len(recalls)
    return means


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')
