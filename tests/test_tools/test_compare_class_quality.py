"""PQ of each class, from the counts of images."""

import numpy as np
import pytest

from tests.support.scripts import load


def test_classes_are_counted_apart(tmp_path):
    tool = load('benchmarks/compare/class_quality.py')
    # Summed IoU, TP, FP and FN of two images and three classes.
    counts = np.zeros((2, 3, 4))
    counts[0, 0] = 0.8, 1, 0, 1
    counts[1, 0] = 0.6, 1, 1, 0
    counts[1, 1] = 0.0, 0, 2, 3
    counts[:, 2] = 0.9, 1, 0, 0
    np.savez_compressed(tmp_path / 'counts.npz', counts=counts)
    found = tool.class_quality(tmp_path / 'counts.npz')
    # 1.4 / (2 + 1 / 2 + 1 / 2), 0 / 2.5 and 1.8 / 2.
    assert found == pytest.approx([140 / 3, 0.0, 90.0])
    # TP + FN: two and none, none and three, two.
    assert tool.segments(tmp_path / 'counts.npz').tolist() == [3, 3, 2]
