"""Each rule, on values that are just wrong and just right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmada.diagnostics.reward import rules
from mmada.diagnostics.reward.class_amounts import ClassAmounts
from mmada.diagnostics.reward.loading import LoadReport


def found(rule, *arguments):
    return [finding.rule for finding in rule(*arguments)]


def pq(value, prefix='coco_panoptic/', name='PQ'):
    return {f'{prefix}{name}': value}


def test_weights_missing_are_counted_by_part():
    loaded = LoadReport(9, missing=('neck.a', 'neck.b', 'rpn_head.c'))
    (finding,) = rules.weights_missing(loaded)
    assert finding.text.startswith('3 of 9 weights are not in the checkpoint')
    assert "neck (2), rpn_head (1), such as 'neck.a'" in finding.text
    loaded = LoadReport(9, misshapen=('neck.a',), unexpected=('fc.weight',))
    (finding,) = rules.weights_missing(loaded)
    assert 'of another shape in the checkpoint' in finding.text
    assert not found(
        rules.weights_missing, LoadReport(9, unexpected=('fc.weight',))
    )


def test_weights_not_finite():
    rule = rules.weights_not_finite
    assert found(rule, LoadReport(9, not_finite=('neck.a',)))
    assert not found(rule, LoadReport(9))


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        (None, ['no reward']),
        (math.nan, ['no reward']),
        (0.0, ['reward is zero']),
        (-3.0, []),
        (0.01, []),
    ],
)
def test_reward_missing(value, expected):
    assert found(rules.reward_missing, value, {}) == expected


def test_quality_near_zero():
    rule = rules.quality_near_zero
    # of released weights, in a report of users
    assert found(rule, pq(0.0086)) == ['PQ near zero']
    assert found(rule, pq(0.9, prefix='')) == ['PQ near zero']
    assert not found(rule, pq(1.1))
    assert not found(rule, pq(math.nan))
    assert not found(rule, pq(0.5, name='sky_PQ'))
    assert not found(rule, {'coco/bbox_mAP': 0.0})


def test_precision_near_zero():
    rule = rules.precision_near_zero
    (finding,) = rule({'coco/bbox_mAP': 0.005, 'coco/segm_mAP': 0.01})
    assert finding.rule == 'AP near zero'
    assert finding.text.startswith('coco/bbox_mAP is 0.0050.')
    assert not found(rule, {'coco/bbox_mAP': math.nan, 'coco/cat_mAP': 0.0})


def test_quality_implausible():
    rule = rules.quality_implausible
    (finding,) = rule(pq(3.004, name='SQ'))
    assert 'at most 6 percent of the classes' in finding.text
    (finding,) = rule(pq(785.1, name='SQ'))
    assert 'areas' in finding.text
    assert not found(rule, pq(5.1, name='SQ'))
    assert not found(rule, pq(100.0, name='SQ'))


@pytest.mark.parametrize(
    ('things', 'stuff', 'expected'),
    [
        (0.0, 30.0, ['things missing']),
        (30.0, 0.9, ['stuff missing']),
        (0.0, 4.0, []),  # both are at their beginning
        (1.1, 30.0, []),
        (math.nan, 30.0, []),  # no thing in the data
    ],
)
def test_one_kind_missing(things, stuff, expected):
    metrics = pq(things, name='PQ_th') | pq(stuff, name='PQ_st')
    assert found(rules.one_kind_missing, metrics) == expected


def test_rewards_equal():
    rule = rules.rewards_equal
    assert found(rule, [1.5, 1.5, 1.5])
    assert not found(rule, [1.5, 1.5, 1.6])
    assert not found(rule, [1.5])
    assert not found(rule, [None, None])  # each is a finding of its own


def test_few_images():
    (finding,) = rules.few_images(2)
    assert finding.text.startswith('the reward is measured on 2 image(s)')
    assert found(rules.few_images, 49)
    assert not found(rules.few_images, 50)


def test_classes_left_out():
    (finding,) = rules.classes_left_out(['dog', 'sky'], 40)
    assert finding.text.startswith('2 class(es) of the training are on none')
    assert '40 reward images' in finding.text
    assert 'ignores them: dog, sky. A search' in finding.text
    assert not found(rules.classes_left_out, [], 40)


def test_classes_on_one_image():
    (finding,) = rules.classes_on_one_image(dict(cat=2, dog=1, sky=40, sea=0))
    assert finding.text.startswith('1 class(es) are on a single reward image')
    assert 'of them: dog. Take' in finding.text
    assert not found(rules.classes_on_one_image, dict(cat=2, sea=0))


IMAGES = dict(cat=9, dog=3, sky=40, sea=0)


def test_classes_that_nothing_of_counts():
    (finding,) = rules.classes_not_found(
        dict(cat=31.0, dog=0.0, sky=80.0, sea=0.0), IMAGES, 40
    )
    # The sea is on no image, so its PQ is no finding.
    assert finding.text.startswith('1 of the 3 classes on the scored')
    assert 'PQ, AP or IoU of 0: dog (3 of 40 images). A search' in finding.text


@pytest.mark.parametrize(
    'qualities',
    [
        dict(cat=0.1, dog=0.1, sky=80.0, sea=0.0),
        dict(cat=0.0, dog=0.0, sky=80.0),  # at the beginning of a training
        dict(dog=0.0, sky=80.0),
    ],
)
def test_classes_that_are_found_or_may_be(qualities):
    assert not found(rules.classes_not_found, qualities, IMAGES, 40)


def amounts(shared, with_things=1):
    """Of two things and three stuff classes; the last row is void."""
    shared = np.array(shared)
    return ClassAmounts(
        ('cat', 'dog', 'sky', 'sea', 'sand'),
        2,
        'PQ',
        shared.sum(1),
        shared.sum(0),
        shared,
        images=4,
        with_things=with_things,
    )


def diagonal(*values):
    return np.diag([*values, 0])


GOOD = amounts(diagonal(5, 9, 40, 30, 20))


@pytest.mark.parametrize(
    'rule',
    [
        rules.all_void,
        rules.one_class,
        rules.other_amounts,
        rules.category_order,
        lambda given: rules.no_things(given, 0.6),
    ],
)
def test_a_good_prediction_passes(rule):
    assert not found(rule, GOOD)


def test_all_void():
    shared = np.zeros((6, 6), dtype=int)
    shared[:5, 5] = 500
    assert found(rules.all_void, amounts(shared)) == ['all void']
    shared[0, 0] = 100  # a segment of 4 percent
    assert not found(rules.all_void, amounts(shared))


def test_no_box_at_all_is_void():
    boxes = GOOD._replace(measure='AP', predicted=np.zeros(6, dtype=int))
    assert found(rules.all_void, boxes) == ['all void']


def test_one_class():
    shared = np.zeros((6, 6), dtype=int)
    shared[:5, 3] = 1000
    assert found(rules.one_class, amounts(shared)) == ['one class']
    shared[2, 2] = 1000
    assert not found(rules.one_class, amounts(shared))


def test_one_class_is_right_where_the_truth_has_one():
    assert not found(rules.one_class, amounts(diagonal(0, 0, 9, 0, 0)))


def test_no_things():
    none = amounts(diagonal(5, 9, 40, 30, 20), with_things=0)
    (finding,) = rules.no_things(none, 0.6)
    assert '(0.6)' in finding.text
    (finding,) = rules.no_things(none, None)
    assert 'None' not in finding.text
    stuff_only = amounts(diagonal(0, 0, 40, 30, 20), with_things=0)
    assert not found(rules.no_things, stuff_only, 0.6)


def test_other_amounts():
    shared = diagonal(5, 9, 20, 30, 20)
    shared[3, 3], shared[3, 4], shared[2, 2], shared[2, 4] = 0, 30, 0, 20
    (finding,) = rules.other_amounts(amounts(shared))
    assert finding.text.startswith('60 percent')  # 50 of 84 pixels
    assert "'sand'" in finding.text
    assert "'sea' is missed" in finding.text
    shared[2, 2], shared[2, 4] = 20, 0
    assert not found(rules.other_amounts, amounts(shared))


def test_category_order():
    moved = np.zeros((6, 6), dtype=int)
    moved[0, 0] = moved[1, 1] = 10
    moved[2, 3] = moved[3, 4] = moved[4, 2] = 30
    (finding,) = rules.category_order(amounts(moved))
    assert finding.text.startswith('3 of 5 classes')
    assert "'sky' is called 'sea'" in finding.text


def test_classes_that_fall_into_one_are_no_matter_of_order():
    fallen = np.zeros((6, 6), dtype=int)
    fallen[2:5, 4] = 30
    assert not found(rules.category_order, amounts(fallen))
