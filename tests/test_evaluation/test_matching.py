"""Matching against hotcoco, and each rule by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmada.datasets.coco_panoptic import decode_id_map
from mmada.datasets.segment_map import to_segment_map
from mmada.evaluation.class_counts import sum_counts
from mmada.evaluation.matching import Match, Truth, TruthSegment, count_image

from .panoptic_reference import count, rounding

COCO = (
    Path(__file__).resolve().parents[2]
    / '../shared/data/coco_panoptic_sample/annotations'
)
CATEGORIES = (1, 2, 3)


def segment(label, category, area, crowd=0):
    return dict(id=label, category_id=category, area=area, iscrowd=crowd)


def ours(truth_ids, segments, predicted_ids, categories):
    listed = {
        s['id']: TruthSegment(s['category_id'], s['area'], bool(s['iscrowd']))
        for s in segments
    }
    return count_image(
        'image',
        Truth(to_segment_map(np.asarray(truth_ids)), listed),
        to_segment_map(np.asarray(predicted_ids)),
        categories,
    )


def as_reference(record, categories):
    return {
        c: counts._asdict()
        for c, counts in sum_counts([record], categories).items()
        if counts.in_truth_or_predicted
    }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for category in expected:
        # Exact, but for the order in which IoUs are added up.
        iou = found[category].pop('iou')
        terms = expected[category]['tp']
        assert iou == pytest.approx(
            expected[category].pop('iou'), rel=rounding(terms), abs=0
        )
        assert found[category] == expected[category]


@st.composite
def images(draw):
    """Small images with every oddity that annotation files have."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    truth_ids = draw(arrays(np.int64, shape, elements=st.integers(0, 5)))
    changed = draw(arrays(np.bool_, shape, elements=st.booleans()))
    other = draw(arrays(np.int64, shape, elements=st.integers(0, 5)))
    predicted_ids = np.where(changed, other, truth_ids)
    # Some ids of the map stay unlisted, some listed ones have no pixel, and
    # even void may be listed.
    listed = draw(st.sets(st.integers(0, 7)))
    segments = []
    for label in draw(st.permutations(sorted(listed))):
        area = int((truth_ids == label).sum())
        wrong = draw(st.sampled_from([0, 0, 0, 1, 3, -1, -2]))
        segments.append(
            segment(
                label,
                draw(st.sampled_from(CATEGORIES)),
                max(0, area + wrong),
                draw(st.sampled_from([0, 0, 1])),
            )
        )
    labels = set(predicted_ids.ravel().tolist())
    if draw(st.booleans()):
        labels.discard(0)
    labels |= set(predicted_ids.ravel().tolist()) - {0}
    categories = {
        label: draw(st.sampled_from(CATEGORIES)) for label in sorted(labels)
    }
    return truth_ids, segments, predicted_ids, categories


@given(images())
@settings(
    max_examples=500,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_equal_to_hotcoco(image):
    try:
        found = ours(*image)
    except ValueError as error:
        # Only a wrong area can do this; the reference divides by zero.
        assert 'annotation file' in str(error)
        with pytest.raises(ValueError, match='states an area smaller'):
            count(*image)
        return
    assert_same(as_reference(found, CATEGORIES), count(*image))


def perturb(ids, segments, rng):
    """Shift, erase, merge, split and relabel true segments."""
    predicted = np.roll(ids, rng.integers(-6, 7, 2), axis=(0, 1))
    categories = {s['id']: s['category_id'] for s in segments}
    labels = list(categories)
    kinds = sorted(set(categories.values()))
    for label in rng.choice(labels, len(labels) // 3, replace=False):
        mask = predicted == label
        action = rng.integers(4)
        if action == 0:
            predicted[mask] = 0
        elif action == 1:
            predicted[mask] = rng.choice(labels)
        elif action == 2:
            categories[int(label)] = int(rng.choice(kinds))
        else:
            mask[: len(mask) // 2] = False
            predicted[mask] = 7 + int(label)
            categories[7 + int(label)] = categories[int(label)]
    present = set(np.unique(predicted).tolist())
    return predicted, {k: v for k, v in categories.items() if k in present}


@pytest.mark.skipif(
    not COCO.exists(), reason='the images of COCO are not on this machine'
)
@pytest.mark.parametrize('index', [0, 1])
def test_real_images(index):
    content = json.loads((COCO / 'panoptic.json').read_text())
    annotation = content['annotations'][index]
    segments = annotation['segments_info']
    path = COCO / 'panoptic' / annotation['file_name']
    ids = decode_id_map(path.read_bytes())
    all_categories = [c['id'] for c in content['categories']]
    rng = np.random.default_rng(index)
    total = dict(tp=0, fp=0, fn=0)
    for _ in range(3):
        predicted, categories = perturb(ids, segments, rng)
        expected = count(ids, segments, predicted, categories)
        found = ours(ids, segments, predicted, categories)
        assert_same(as_reference(found, all_categories), expected)
        for name in total:
            total[name] += sum(c[name] for c in expected.values())
    assert min(total.values()) > 5


@pytest.mark.skipif(
    not COCO.exists(), reason='the images of COCO are not on this machine'
)
def test_the_truth_of_a_real_image_is_perfect():
    content = json.loads((COCO / 'panoptic.json').read_text())
    for annotation in content['annotations']:
        segments = annotation['segments_info']
        path = COCO / 'panoptic' / annotation['file_name']
        ids = decode_id_map(path.read_bytes())
        own = {s['id']: s['category_id'] for s in segments}
        record = ours(ids, segments, ids, own)
        plain = [s for s in segments if not s['iscrowd']]
        assert [m.intersection for m in record.matches] == [
            m.union for m in record.matches
        ]
        assert len(record.matches) == len(plain)
        assert record.false_positives == record.false_negatives == ()


def test_an_iou_of_one_half_is_no_match():
    # Four true pixels; the prediction has two of them: 2 / 4.
    half = ours([[1, 1, 1, 1]], [segment(1, 2, 4)], [[5, 5, 0, 0]], {5: 2})
    assert half.matches == ()
    assert (half.false_positives, half.false_negatives) == ((2,), (2,))
    # Three of four.
    more = ours([[1, 1, 1, 1]], [segment(1, 2, 4)], [[5, 5, 5, 0]], {5: 2})
    assert more.matches == (Match(2, 3, 4),)


def test_void_pixels_leave_the_union():
    record = ours([[1, 1, 0, 0]], [segment(1, 1, 2)], [[5, 5, 5, 5]], {5: 1})
    assert record.matches == (Match(1, 2, 2),)


def test_pixels_that_no_segment_lists_are_not_void():
    record = ours([[1, 1, 9, 9]], [segment(1, 1, 2)], [[5, 5, 5, 5]], {5: 1})
    assert record.matches == ()
    assert (record.false_positives, record.false_negatives) == ((1,), (1,))


def test_the_area_is_that_of_the_file():
    record = ours([[1, 1, 1, 1]], [segment(1, 1, 7)], [[5] * 4], {5: 1})
    assert record.matches == (Match(1, 4, 7),)


def test_an_area_too_small_is_no_match_or_an_error():
    # Union 4 + 0 - 4 - 0 = 0, then -1.
    with pytest.raises(
        ValueError, match='image image: the area of segment 1 .* Found 0'
    ):
        ours([[1, 1, 1, 1]], [segment(1, 1, 0)], [[5] * 4], {5: 1})
    record = ours([[1, 1, 1, 1]], [segment(1, 1, -1)], [[5] * 4], {5: 1})
    assert record.matches == ()


def test_a_listed_segment_without_pixels_is_missed():
    record = ours(
        [[1, 1]], [segment(1, 1, 2), segment(4, 3, 0)], [[5, 5]], {5: 1}
    )
    assert record.false_negatives == (3,)


def test_other_categories_do_not_match():
    record = ours([[1, 1]], [segment(1, 1, 2)], [[5, 5]], {5: 2})
    assert (record.false_positives, record.false_negatives) == ((2,), (1,))


def test_crowds_forgive_their_category():
    crowd = [segment(1, 1, 3, crowd=1)]
    inside = ours([[1, 1, 1, 9]], crowd, [[5, 5, 0, 0]], {5: 1})
    assert inside.false_positives == inside.false_negatives == ()
    other = ours([[1, 1, 1, 9]], crowd, [[5, 5, 0, 0]], {5: 2})
    assert other.false_positives == (2,)
    half = ours([[1, 1, 9, 9]], crowd, [[5, 5, 5, 5]], {5: 1})
    assert half.false_positives == (1,)


def test_void_and_crowd_forgive_together():
    record = ours(
        [[1, 0, 9]], [segment(1, 1, 1, crowd=1)], [[5, 5, 5]], {5: 1}
    )
    assert record.false_positives == ()


def test_the_last_crowd_of_a_category_forgives():
    """An oddity of the reference that its numbers depend on."""
    crowds = [segment(1, 1, 2, crowd=1), segment(2, 1, 2, crowd=1)]
    ids = [[1, 1, 2, 2]]
    assert ours(ids, crowds, [[5, 5, 0, 0]], {5: 1}).false_positives == (1,)
    assert ours(ids, crowds, [[0, 0, 5, 5]], {5: 1}).false_positives == ()


def test_only_void():
    nothing = ours([[0, 0]], [], [[0, 0]], {})
    assert nothing[1:] == ((), (), ())
    assert ours([[0, 0]], [], [[5, 5]], {5: 1})[1:] == ((), (), ())


def test_void_of_a_prediction_may_have_any_labels():
    truth = Truth(to_segment_map(np.array([[1, 1, 1]])), {})
    predicted = to_segment_map(np.array([[8, 3008, 0]]))
    record = count_image(0, truth, predicted, {0: 4}, void=(8, 3008))
    assert record.false_positives == (4,)


@pytest.mark.parametrize(
    ('categories', 'message'),
    [
        ({}, r'image image: .*of the predicted map .*Found \[5\]'),
        ({5: 1, 6: 1}, r'image image: .*with a category .*Found \[6\]'),
    ],
)
def test_labels_that_do_not_fit(categories, message):
    with pytest.raises(ValueError, match=message):
        ours([[1, 1]], [segment(1, 1, 2)], [[5, 0]], categories)


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match=r'image image: .*\(1, 2\).*\(2, 1\)'):
        ours([[1, 1]], [], [[1], [1]], {1: 1})
