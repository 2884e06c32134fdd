import pytest

from mmada.datasets.coco_panoptic import Category
from mmada.evaluation.matching import ImageCounts, Match
from mmada.visualization.report.image_changes import (
    Change,
    class_changes,
    difference_interval,
    image_changes,
    most_changed,
    summarise,
)

CATEGORIES = {1: Category('ball', True), 2: Category('sky', False)}
SKY = Match(2, 8, 10)


def counts(*rows):
    """Return counts by image: per row matches, errors and misses."""
    return {i: ImageCounts(i, *row) for i, row in enumerate(rows)}


BASELINE = counts(
    ((SKY,), (), (1,)),  # misses the ball
    ((SKY,), (), ()),
    ((Match(1, 6, 10), SKY), (), ()),
)
OURS = counts(
    ((SKY, Match(1, 9, 10)), (), ()),  # finds it
    ((SKY,), (), ()),
    ((SKY,), (1,), (1,)),  # puts it elsewhere
)


def test_quality_of_each_image():
    changes = image_changes(BASELINE, OURS, CATEGORIES)
    # Averages over the classes of the image; sky is 0.8 everywhere.
    assert [c.baseline for c in changes] == pytest.approx([40, 80, 70])
    assert [c.ours for c in changes] == pytest.approx([85, 80, 40])


def test_the_most_changed_with_the_largest_gain_first():
    changes = image_changes(BASELINE, OURS, CATEGORIES)
    assert [c.key for c in most_changed(changes, 2)] == [0, 2]
    assert [c.key for c in most_changed(changes, 9)] == [0, 1, 2]


@pytest.mark.parametrize(
    ('gains', 'losses', 'chosen'),
    [
        (5, 5, [9, 8, 7, -7, -8, -9]),
        (5, 2, [9, 8, 7, 6, -8, -9]),
        (1, 5, [9, -5, -6, -7, -8, -9]),
    ],
)
def test_gains_and_losses_are_chosen_half_and_half(gains, losses, chosen):
    values = [9.0 - i for i in range(gains)]
    values += [i - 9.0 for i in range(losses)]
    changes = [Change(i, 50.0, 50.0 + v) for i, v in enumerate(values)]
    found = most_changed(changes, 6)
    assert [c.difference for c in found] == chosen


def test_images_of_one_model_only_do_not_count():
    fewer = {0: OURS[0]}
    assert len(image_changes(BASELINE, fewer, CATEGORIES)) == 1


def test_quality_of_each_class():
    before, after = (summarise(c, CATEGORIES) for c in (BASELINE, OURS))
    ball, sky = class_changes(before, after)
    # 0.6 / (1 + 1/2), then 0.9 / (1 + 1/2 + 1/2).
    assert (ball.key, ball.baseline) == (1, pytest.approx(40))
    assert ball.ours == pytest.approx(45)
    assert (sky.key, sky.difference) == (2, 0)


def test_interval_of_the_difference():
    low, high = difference_interval(BASELINE, OURS, CATEGORIES)
    assert low < 0 < high
    assert difference_interval(OURS, OURS, CATEGORIES) == (0, 0)
    many = {
        i: counts_of._replace(image_id=i)
        for i in range(50)
        for counts_of in [OURS[0]]
    }
    worse = {i: BASELINE[0]._replace(image_id=i) for i in range(50)}
    low, high = difference_interval(worse, many, CATEGORIES)
    assert low == pytest.approx(45) and high == pytest.approx(45)
