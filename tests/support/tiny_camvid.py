"""A few images in the layout of CamVid, with cars on roads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

NAMES = dict(
    train=('0001TP_1', '0001TP_2', '0006R0_f1', '0016E5_1'),
    val=('0016E5_2',),
    test=('Seq05VD_f1', 'Seq05VD_f2'),
)
CAR = (8, 10, 16, 10)
"""Box of the car: x, y, width, height."""


def make_camvid(folder: Path, size: tuple[int, int] = (64, 48)) -> None:
    """Write the images of `NAMES`: a red car, an unlabelled row below.

    Args:
        folder: Where to.
        size: Width and height.
    """
    width, height = size
    classes = np.full((height, width), 3, np.uint8)
    x, y, w, h = CAR
    car = slice(y, y + h), slice(x, x + w)
    classes[car] = 8
    classes[40] = 11
    image = np.zeros((height, width, 3), np.uint8)
    image[car] = 0, 0, 255  # red, as OpenCV has it
    for split, names in NAMES.items():
        for part in (split, f'{split}annot'):
            (folder / part).mkdir(parents=True)
        for k, name in enumerate(names):
            suffix = 'png' if k else 'jpg'
            cv2.imwrite(str(folder / split / f'{name}.{suffix}'), image)
            cv2.imwrite(str(folder / f'{split}annot' / f'{name}.png'), classes)
