"""Quality on resampled images, against evaluating the drawn lists."""

from __future__ import annotations

import math
import random
import tracemalloc

import numpy as np
import pytest

from mmada.datasets.coco_panoptic import Category
from mmada.evaluation.class_counts import make_report, sum_counts
from mmada.evaluation.matching import ImageCounts, Match
from mmada.evaluation.resampling import draw_images, resample_quality

CATEGORIES = {
    7: Category('cat', True),
    3: Category('dog', True),
    9: Category('sky', False),
    4: Category('sea', False),
}


def counts(image_id, rng, categories, segments):
    """Counts of an image as of a detector that errs."""

    def some(number):
        return tuple(rng.choices(categories, k=rng.randrange(number + 1)))

    matches = tuple(
        Match(c, rng.randrange(51, 100), 100) for c in some(segments)
    )
    return ImageCounts(image_id, matches, some(3), some(2))


def images(number, seed=0, categories=tuple(CATEGORIES), segments=3):
    rng = random.Random(seed)
    return [counts(k, rng, categories, segments) for k in range(number)]


def slow(records, num_resamples, classes_of):
    """Evaluates each drawn list, an image drawn twice as two images."""
    records = sorted(records, key=lambda r: repr(r.image_id))
    found = []
    for drawn in draw_images(len(records), num_resamples):
        copies = [
            record._replace(image_id=f'{k} {copy}')
            for k, record in enumerate(records)
            for copy in range(drawn[k])
        ]
        summed = sum_counts(copies, CATEGORIES)
        groups = make_report(summed, CATEGORIES, classes_of).groups
        found.append({name: quality.pq for name, quality in groups.items()})
    return found


@pytest.mark.parametrize('classes_of', ['official', 'ground_truth'])
@pytest.mark.parametrize(('number', 'seed'), [(1, 0), (3, 1), (25, 2)])
def test_equal_to_evaluating_the_drawn_lists(number, seed, classes_of):
    records = images(number, seed)
    found = resample_quality(records, CATEGORIES, 20, classes_of)
    expected = slow(records, 20, classes_of)
    assert list(found) == ['All', 'Things', 'Stuff']
    for name, values in found.items():
        assert values.tolist() == pytest.approx(
            [each[name] for each in expected], rel=1e-12, nan_ok=True
        )
    assert 0 < np.nanmean(found['All']) < 1


def test_values_by_hand():
    """One image with a match of IoU 0.8, one with a false positive."""
    records = [
        ImageCounts('a', (Match(7, 8, 10),), (), ()),
        ImageCounts('b', (), (7,), ()),
    ]
    # Drawn are two of a, two of b, or one of each: 0.8 / (1 + 1 / 2).
    found = resample_quality(records, CATEGORIES, 30)
    assert {round(v, 12) for v in found['All']} == {
        0.8,
        0.0,
        round(0.8 / 1.5, 12),
    }
    assert all(math.isnan(v) for v in found['Stuff'])
    assert found['Things'].tolist() == found['All'].tolist()
    # Without a, the truth has no cat.
    truth = resample_quality(records, CATEGORIES, 30, 'ground_truth')['All']
    assert np.isnan(truth).tolist() == (found['All'] == 0).tolist()


def test_a_draw_has_as_many_images_and_is_the_same_again():
    first, again = (list(draw_images(50, 200)) for _ in range(2))
    assert all(drawn.sum() == 50 for drawn in first)
    assert np.array_equal(first, again)
    # The number of times an image is drawn has mean 1 and variance 49 / 50.
    assert np.mean(first) == 1
    assert np.var(first) == pytest.approx(0.98, abs=0.05)
    assert len({tuple(drawn) for drawn in first}) == 200


def test_more_resamples_go_on_where_fewer_end():
    records = images(10)
    few = resample_quality(records, CATEGORIES, 3)['All']
    many = resample_quality(records, CATEGORIES, 9)['All']
    assert many[:3].tolist() == few.tolist()


def test_neither_order_nor_padding_changes_a_bit():
    records = images(30)
    first = resample_quality(records, CATEGORIES, 5)['All']
    turned = records[::-1] + records[:3]
    again = resample_quality(turned, CATEGORIES, 5)['All']
    assert again.tolist() == first.tolist()


def test_the_spread_is_that_of_new_images():
    """The bootstrap's standard error, against models on fresh images."""
    fresh = [
        make_report(sum_counts(images(60, seed), CATEGORIES), CATEGORIES)
        for seed in range(100, 300)
    ]
    expected = np.std([report.groups['All'].pq for report in fresh])
    spreads = [
        resample_quality(images(60, seed), CATEGORIES, 100)['All'].std()
        for seed in range(10)
    ]
    assert np.mean(spreads) == pytest.approx(expected, rel=0.2)


def test_memory_does_not_hold_images_times_classes_times_draws():
    """2000 images, 133 classes, 100 draws: dense would be 850 MB."""
    categories = {c: Category(str(c), c < 80) for c in range(133)}
    records = images(2000, categories=range(133), segments=20)
    tracemalloc.start()
    resample_quality(records, categories, 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_unknown_classes_of():
    with pytest.raises(ValueError, match="`classes_of` .*Found 'gt'"):
        resample_quality(images(2), CATEGORIES, 2, 'gt')
