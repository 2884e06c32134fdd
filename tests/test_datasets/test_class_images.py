"""Images of each class, from annotations by hand."""

from __future__ import annotations

import cv2
import numpy as np
from mmdet.datasets import BaseSegDataset

from mmada.datasets.class_images import (
    classes_left_out,
    count_class_images,
    name_classes,
)

PANOPTIC = dict(
    classes=('cat', 'dog', 'sky'),
    thing_classes=('cat', 'dog'),
    stuff_classes=('sky',),
)


class Annotations:
    """Data set of the annotations that are given."""

    def __init__(self, infos, metainfo):
        self.infos = infos
        self.metainfo = metainfo

    def __len__(self):
        return len(self.infos)

    def get_data_info(self, index):
        return self.infos[index]


class Mosaic:
    """Wraps a data set, as MultiImageMixDataset does."""

    def __init__(self, dataset):
        self.dataset = dataset


def segments(*found):
    return dict(
        segments_info=[dict(category=c, is_thing=thing) for c, thing in found],
        instances=[],
    )


def objects(*found):
    return dict(
        instances=[dict(bbox_label=c, ignore_flag=f) for c, f in found]
    )


def test_segments_count_once_an_image_and_crowds_not():
    images = [
        segments((0, True), (0, True), (2, False)),
        segments((0, True), (1, False)),  # the dogs are a crowd
        segments(),
    ]
    counts = count_class_images(Annotations(images, PANOPTIC))
    assert counts == dict(cat=2, dog=0, sky=1)


def test_objects_count_unless_they_are_ignored():
    images = [objects((0, 0), (1, 1)), objects((0, 0), (0, 0))]
    counts = count_class_images(
        Annotations(images, dict(classes=('cat', 'dog')))
    )
    assert counts == dict(cat=2, dog=0)


def test_a_wrapper_without_annotations_is_looked_through():
    inner = Annotations([objects((1, 0))], dict(classes=('cat', 'dog')))
    assert count_class_images(Mosaic(inner)) == dict(cat=0, dog=1)


def test_annotations_that_list_nothing_do_not_tell():
    maps = [dict(seg_map_path='0.png')]
    assert count_class_images(Annotations(maps, PANOPTIC)) is None
    nameless = [dict(instances=[dict(bbox=[0, 0, 1, 1])])]
    assert count_class_images(Annotations(nameless, PANOPTIC)) is None
    assert count_class_images(Annotations([segments()], {})) is None
    assert count_class_images(Mosaic(object())) is None


def test_maps_are_opened_on_demand(tmp_path):
    for k, labels in enumerate([[0, 0, 2], [2, 255, 255]]):
        cv2.imwrite(f'{tmp_path}/{k}.png', np.array([labels], np.uint8))
    dataset = BaseSegDataset(
        metainfo=dict(classes=('cat', 'dog', 'sky')),
        data_prefix=dict(img_path=str(tmp_path), seg_map_path=str(tmp_path)),
        img_suffix='.png',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='mmdet.LoadAnnotations', with_bbox=False, with_seg=True),
        ],
    )
    for found in (dataset, Mosaic(dataset)):
        counts = count_class_images(found, open_maps=True)
        assert counts == dict(cat=1, dog=0, sky=2)
    assert count_class_images(dataset) is None


def test_classes_are_left_out_where_the_training_has_them():
    reward = dict(cat=3, dog=0, sky=0)
    assert classes_left_out(reward, dict(cat=9, dog=2, sky=0)) == ['dog']
    assert classes_left_out(reward, None) == ['dog', 'sky']


def test_some_classes_are_named_and_the_others_counted():
    assert name_classes('abcde') == 'a, b, c, d, e'
    assert name_classes('abcdefg') == 'a, b, c, d, e and 2 more'


def test_joined_data_sets_have_the_classes_that_all_of_them_have():
    images = [objects((0, 0)), objects((1, 0))]
    infos = [dict(classes=('a', 'b'), year=year) for year in (2007, 2012)]
    assert count_class_images(Annotations(images, infos)) == dict(a=1, b=1)
    infos[1]['classes'] = ('b', 'a')
    assert count_class_images(Annotations(images, infos)) is None
