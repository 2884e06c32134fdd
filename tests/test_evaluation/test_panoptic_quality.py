"""PanopticQuality: mmdet's numbers and keys, without its traps."""

from __future__ import annotations

import copy
import inspect
import json
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.evaluation.metrics import coco_panoptic_metric
from mmdet.registry import METRICS
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import PixelData

from mmada.datasets import SceneOptions, make_scenes, scene_metainfo
from mmada.datasets.coco_panoptic import decode_id_map, id_to_rgb, write_png
from mmada.engine.reward import RewardMetric
from mmada.evaluation import PanopticQuality
from mmada.evaluation import panoptic_quality as module

from . import panoptic_reference

REPO = Path(__file__).resolve().parents[2]
COCO = REPO / '../shared/data/coco_panoptic_sample/annotations'
KEYS = [
    f'coco_panoptic/{name}{suffix}'
    for suffix in ('', '_th', '_st')
    for name in ('PQ', 'SQ', 'RQ')
]


@pytest.fixture
def mmdet(tmp_path, monkeypatch):
    """mmdet's files and keys, and hotcoco's values of the files.

    mmdet's own values need panopticapi, which PyPI does not have. To
    write files mmdet takes nothing from there but the following.
    """
    for name, value in (
        ('panopticapi', True),
        ('id2rgb', id_to_rgb),
        ('VOID', 0),
    ):
        monkeypatch.setattr(coco_panoptic_metric, name, value)

    def evaluate_files(ann_file, seg_prefix, samples, classes=None):
        prefix = f'{tmp_path}/mmdet'
        metric = coco_panoptic_metric.CocoPanopticMetric(
            ann_file, seg_prefix, format_only=True, outfile_prefix=prefix
        )
        evaluate(metric, samples, classes)
        results = panoptic_reference.evaluate(
            ann_file,
            seg_prefix,
            f'{prefix}.panoptic.json',
            f'{prefix}.panoptic',
        )
        values = coco_panoptic_metric.parse_pq_results(results)
        return {f'{metric.prefix}/{k}': v for k, v in values.items()}

    return evaluate_files


@pytest.fixture(scope='module')
def scene_paths(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'scenes'
    make_scenes(out, SceneOptions(num=dict(reward=12)))
    annotations = out / 'annotations'
    return dict(
        ann_file=str(annotations / 'panoptic_reward.json'),
        seg_prefix=str(annotations / 'panoptic_reward'),
    )


def data_sample(image_id, labels):
    return dict(
        img_id=image_id,
        img_path=f'{image_id:06d}.png',
        ori_shape=labels.shape,
        pred_panoptic_seg=dict(
            sem_seg=torch.from_numpy(labels.astype(np.int32))[None]
        ),
    )


def predictions(ann_file, seg_prefix, seed=0):
    """Labels as of a detector that errs: shifts, swaps and void."""
    rng = np.random.default_rng(seed)
    content = json.loads(Path(ann_file).read_text())
    categories = [c['id'] for c in content['categories']]
    things = [c['id'] for c in content['categories'] if c['isthing']]
    samples = []
    for annotation in content['annotations']:
        path = Path(seg_prefix) / annotation['file_name']
        ids = decode_id_map(path.read_bytes())
        labels = np.full(ids.shape, len(categories))
        for k, segment in enumerate(annotation['segments_info'], start=1):
            category = segment['category_id']
            if rng.random() < 0.3:
                category = int(rng.choice(categories))
            label = categories.index(category)
            if category in things:
                label += 1000 * k
            if rng.random() < 0.9:
                labels[ids == segment['id']] = label
        labels = np.roll(labels, rng.integers(-2, 3, 2), axis=(0, 1))
        sample = data_sample(annotation['image_id'], labels)
        sample['img_path'] = path.name
        samples.append(sample)
    return samples


def evaluate(metric, samples, classes=None):
    metric.dataset_meta = dict(classes=classes or scene_metainfo()['classes'])
    for k in range(0, len(samples), 2):
        metric.process({}, samples[k : k + 2])
    return metric.evaluate(len(samples))


@pytest.mark.parametrize('seed', [0, 1])
def test_keys_and_values_are_those_of_mmdet(scene_paths, mmdet, seed):
    samples = predictions(**scene_paths, seed=seed)
    theirs = mmdet(**scene_paths, samples=copy.deepcopy(samples))
    ours = evaluate(PanopticQuality(**scene_paths), samples)
    assert list(ours) == list(theirs) == KEYS
    assert ours == pytest.approx(theirs, rel=1e-13, abs=0)
    assert 10 < ours['coco_panoptic/PQ'] < 90


@pytest.mark.skipif(
    not COCO.exists(), reason='the images of COCO are not on this machine'
)
def test_equal_to_mmdet_on_real_images(mmdet):
    paths = dict(
        ann_file=str(COCO / 'panoptic.json'),
        seg_prefix=str(COCO / 'panoptic'),
    )
    categories = json.loads((COCO / 'panoptic.json').read_text())['categories']
    classes = [c['name'] for c in categories]
    samples = predictions(**paths, seed=3)
    theirs = mmdet(**paths, samples=copy.deepcopy(samples), classes=classes)
    ours = evaluate(PanopticQuality(**paths), samples, classes)
    assert ours == pytest.approx(theirs, rel=1e-13, abs=0)
    assert 10 < ours['coco_panoptic/PQ_th'] < 90


def test_a_config_and_an_evaluator(scene_paths):
    """Data samples as a detector returns them, names as a config has them."""
    config = dict(type='PanopticQuality', **scene_paths)
    assert type(METRICS.build(config)) is PanopticQuality
    evaluator = Evaluator([config, dict(config, prefix='again')])
    evaluator.dataset_meta = scene_metainfo()
    samples = predictions(**scene_paths)
    expected = evaluate(PanopticQuality(**scene_paths), samples)
    from mmdet.structures import DetDataSample

    elements = []
    for sample in samples:
        element = DetDataSample(
            metainfo=dict(img_id=sample['img_id'], img_path='a.png')
        )
        element.pred_panoptic_seg = PixelData(**sample['pred_panoptic_seg'])
        elements.append(element)
    evaluator.process(elements, {})
    found = evaluator.evaluate(len(elements))
    assert {k: found[k] for k in KEYS} == expected
    assert found['again/PQ'] == expected['coco_panoptic/PQ']


def test_predictions_are_not_changed(scene_paths):
    samples = predictions(**scene_paths)
    before = copy.deepcopy(samples)
    evaluate(PanopticQuality(**scene_paths), samples)
    for sample, copied in zip(samples, before, strict=True):
        sem_seg = sample['pred_panoptic_seg']['sem_seg']
        assert torch.equal(sem_seg, copied['pred_panoptic_seg']['sem_seg'])


def test_the_value_does_not_depend_on_ranks_and_padding(scene_paths):
    """Two ranks get every second image; the last batch repeats the first."""
    samples = predictions(**scene_paths)
    expected = evaluate(PanopticQuality(**scene_paths), samples)
    records = []
    for rank in range(2):
        metric = PanopticQuality(**scene_paths)
        metric.dataset_meta = scene_metainfo()
        metric.process({}, samples[rank::2] + samples[:1])
        records += metric.results
    found = PanopticQuality(**scene_paths).compute_metrics(records)
    assert found == {k.split('/')[1]: v for k, v in expected.items()}


def test_only_images_that_were_evaluated_count(scene_paths, tmp_path):
    """As if the annotation file had no others."""
    content = json.loads(Path(scene_paths['ann_file']).read_text())
    content['annotations'] = content['annotations'][:5]
    (tmp_path / 'part.json').write_text(json.dumps(content))
    part = dict(scene_paths, ann_file=str(tmp_path / 'part.json'))
    samples = predictions(**scene_paths)
    for classes_of in ('official', 'ground_truth'):
        whole = PanopticQuality(**scene_paths, classes_of=classes_of)
        alone = PanopticQuality(**part, classes_of=classes_of)
        found = evaluate(whole, samples[:5])
        assert found == evaluate(alone, samples[:5])
        assert found != evaluate(whole, samples)


def test_evaluating_again_reads_nothing(scene_paths, monkeypatch):
    samples = predictions(**scene_paths)
    metric = PanopticQuality(**scene_paths)
    first = evaluate(metric, samples)
    monkeypatch.setattr('mmada.datasets.coco_panoptic.get', None)
    assert evaluate(metric, samples) == first


@pytest.fixture
def tiny(tmp_path):
    """One image of four pixels: a dog, half of the sky, void."""

    def make(categories=None, area=2):
        write_png(tmp_path / '0.png', id_to_rgb(np.array([[7, 7, 8, 0]])))
        content = dict(
            categories=categories
            or [
                dict(id=1, name='dog', isthing=1),
                dict(id=2, name='cat', isthing=1),
                dict(id=5, name='sky', isthing=0),
            ],
            annotations=[
                dict(
                    image_id=0,
                    file_name='0.png',
                    segments_info=[
                        dict(id=7, category_id=1, area=area, iscrowd=0),
                        dict(id=8, category_id=5, area=1, iscrowd=0),
                    ],
                )
            ],
        )
        path = tmp_path / 'gt.json'
        path.write_text(json.dumps(content))
        return dict(ann_file=str(path), seg_prefix=str(tmp_path))

    return make


CLASSES = ('dog', 'cat', 'sky')


def tiny_sample(*labels, **fields):
    sample = data_sample(0, np.array([labels]))
    sample['pred_panoptic_seg'].update(fields)
    return sample


@pytest.fixture
def warnings(caplog):
    logger = MMLogger.get_instance('test_panoptic_quality')
    logger.addHandler(caplog.handler)
    yield lambda: [
        r.getMessage() for r in caplog.records if r.levelno == logging.WARNING
    ]
    logger.removeHandler(caplog.handler)


def test_values_by_hand(tiny):
    """A dog of IoU 1, no sky, a cat too many."""
    metric = PanopticQuality(**tiny(), classwise=True)
    found = evaluate(metric, [tiny_sample(1000, 1000, 2001, 3)], CLASSES)
    assert found['coco_panoptic/PQ'] == pytest.approx(100 / 3)
    assert found['coco_panoptic/PQ_th'] == 50
    assert found['coco_panoptic/PQ_st'] == 0
    assert found['coco_panoptic/dog_PQ'] == 100
    assert found['coco_panoptic/cat_PQ'] == 0
    assert len(found) == 9 + 3


def test_classes_of_the_truth_for_rewards(tiny):
    metric = PanopticQuality(**tiny(), classes_of='ground_truth')
    found = evaluate(metric, [tiny_sample(1000, 1000, 2001, 3)], CLASSES)
    assert found['coco_panoptic/PQ'] == 50
    assert found['coco_panoptic/PQ_th'] == 100


def test_a_group_without_segments_is_nan(tmp_path, tiny, warnings):
    paths = tiny()
    content = json.loads(Path(paths['ann_file']).read_text())
    content['annotations'][0]['segments_info'].pop()
    Path(paths['ann_file']).write_text(json.dumps(content))
    metric = PanopticQuality(**paths)
    found = evaluate(metric, [tiny_sample(1000, 1000, 3, 3)], CLASSES)
    assert found['coco_panoptic/PQ'] == 100
    assert math.isnan(found['coco_panoptic/PQ_st'])
    assert warnings() == [
        'Panoptic quality of Stuff is NaN: no segment of such a class was '
        'counted.'
    ]


def test_the_score_of_nothing_needs_no_model(tiny):
    paths = tiny()
    image = dict(img_id=0)
    found = PanopticQuality(**paths).score_of_nothing([image])
    assert [found[key] for key in ('PQ', 'PQ_th', 'PQ_st')] == [0, 0, 0]
    content = json.loads(Path(paths['ann_file']).read_text())
    sky = content['annotations'][0]['segments_info'][1]
    sky['iscrowd'] = 1
    Path(paths['ann_file']).write_text(json.dumps(content))
    found = PanopticQuality(**paths).score_of_nothing([image])
    assert (found['PQ'], found['PQ_th']) == (0, 0)
    assert math.isnan(found['PQ_st'])
    with pytest.raises(ValueError, match="should be what.*'PQ_st'"):
        RewardMetric(dict(PQ=1, PQ_st=1)).check_truth(found)
    RewardMetric(dict(PQ=1, PQ_th=1)).check_truth(found)


def test_no_images_at_all(tiny, warnings):
    metric = PanopticQuality(**tiny())
    found = metric.evaluate(0)
    assert all(math.isnan(v) for v in found.values())
    assert 'All, Things, Stuff is NaN' in warnings()[-1]


@pytest.mark.parametrize('void', [3, 1003, 255])
def test_void_of_a_prediction(tiny, void):
    metric = PanopticQuality(**tiny())
    sample = tiny_sample(1000, 1000, 2, void, ignore_index=255)
    found = evaluate(metric, [sample], CLASSES)
    assert found['coco_panoptic/PQ'] == 100


def test_class_zero_of_stuff_is_not_void(tiny):
    """Its label is 0, the id of void in files."""
    categories = [
        dict(id=1, name='sea', isthing=0),
        dict(id=5, name='sky', isthing=0),
    ]
    metric = PanopticQuality(**tiny(categories))
    found = evaluate(metric, [tiny_sample(0, 0, 2, 1)], ('sea', 'sky'))
    # The sea has IoU 1, whatever void there is beside it; the sky is missed,
    # and what is taken for it lies on void.
    assert found['coco_panoptic/PQ'] == 50


def test_wrong_areas_are_pointed_out_once(tiny, warnings):
    metric = PanopticQuality(**tiny(area=3))
    sample = tiny_sample(1000, 1000, 2, 3)
    found = evaluate(metric, [sample, sample], CLASSES)
    assert found['coco_panoptic/PQ_th'] == pytest.approx(200 / 3)
    assert len(warnings()) == 1
    assert 'Image 0' in warnings()[0]
    assert '[7]' in warnings()[0]


def test_another_order_of_classes_is_pointed_out(tiny, warnings):
    metric = PanopticQuality(**tiny(), classwise=True)
    found = evaluate(
        metric, [tiny_sample(1000, 1000, 2, 3)], ('cat', 'dog', 'sky')
    )
    assert found['coco_panoptic/dog_PQ'] == 100
    assert 'another order' in warnings()[0]


def test_a_table_of_classes_is_logged(tiny, caplog, monkeypatch):
    lines = []
    monkeypatch.setattr(module, 'print_log', lambda m, **_: lines.append(m))
    sample = tiny_sample(1000, 1000, 2, 3)
    evaluate(PanopticQuality(**tiny()), [sample], CLASSES)
    assert lines == []
    evaluate(PanopticQuality(**tiny(), classwise=True), [sample], CLASSES)
    assert 'Things' in lines[0]
    assert 'dog' in lines[0]


@pytest.mark.parametrize(
    ('sample', 'classes', 'message'),
    [
        (tiny_sample(1007, 0, 0, 0), CLASSES, 'image 0: label 1007 .*class 7'),
        (tiny_sample(2, 2), CLASSES, r'image 0: .*\(1, 4\) and \(1, 2\)'),
        (tiny_sample(2, 2, 2, 2), None, '`dataset_meta` .*Found None'),
        (data_sample(4, np.array([[2]])), CLASSES, 'image 4 should be one'),
    ],
)
def test_predictions_that_do_not_fit(tiny, sample, classes, message):
    metric = PanopticQuality(**tiny())
    if classes:
        metric.dataset_meta = dict(classes=classes)
    with pytest.raises(ValueError, match=message):
        metric.process({}, [sample])


def stuff_first(categories):
    return sorted(categories, key=lambda c: c['isthing'])


def text_flags(categories):
    return [dict(c, isthing=str(c['isthing'])) for c in categories]


@pytest.mark.parametrize(
    ('classes', 'change', 'message'),
    [
        (('cow',), list, r"`classes` .*Found \['cow'\]"),
        ('dog', list, "`classes` .*tuple of names. Found 'dog'"),
        (CLASSES, stuff_first, "Things .*before stuff .*'sky' first"),
        (CLASSES, text_flags, r"'dog', .*gt.json, .*isthing. Found '1'"),
    ],
)
def test_a_data_set_that_does_not_fit_is_refused_before_any_image(
    tiny, classes, change, message
):
    paths = tiny()
    content = json.loads(Path(paths['ann_file']).read_text())
    content['categories'] = change(content['categories'])
    Path(paths['ann_file']).write_text(json.dumps(content))
    evaluator = dict(type='PanopticQuality', **paths)
    with pytest.raises(ValueError, match=message):
        Evaluator(evaluator).dataset_meta = dict(classes=classes)


def test_classes_are_compared_once(tiny, warnings):
    metric = PanopticQuality(**tiny())
    for _ in range(2):
        metric.dataset_meta = dict(classes=('cat', 'dog', 'sky'))
    assert len(warnings()) == 1


def test_a_config_of_mmdets_metric_with_another_type(scene_paths):
    """All of its options, with those values that have a meaning here."""
    theirs = inspect.signature(coco_panoptic_metric.CocoPanopticMetric)
    options = {k: p.default for k, p in theirs.parameters.items()}
    options.update(scene_paths, classwise=True, prefix='val')
    samples = predictions(**scene_paths)
    expected = evaluate(PanopticQuality(**scene_paths), samples)
    found = evaluate(PanopticQuality(**options), samples)
    assert found['val/PQ'] == expected['coco_panoptic/PQ']
    assert 'val/ball_PQ' in found


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(format_only=True), '`format_only` .*Found True. tools/format'),
        (dict(outfile_prefix='a/b'), "`outfile_prefix` .*Found 'a/b'. tools/"),
        (dict(file_client_args={}), '`file_client_args` .*`backend_args`'),
        (dict(ann_file=None), '`ann_file` .*annotation file. Found None'),
        (dict(seg_prefix=None), '`seg_prefix` .*maps. Found None'),
    ],
)
def test_options_of_mmdets_metric_that_are_refused(tiny, options, message):
    with pytest.raises(ValueError, match=message):
        PanopticQuality(**(tiny() | options))


@pytest.mark.parametrize('name', ['img_id', 'pred_panoptic_seg'])
def test_what_a_pipeline_or_model_leaves_out_is_named(tiny, name):
    sample = tiny_sample(2, 2, 2, 2)
    del sample[name]
    metric = PanopticQuality(**tiny())
    metric.dataset_meta = dict(classes=CLASSES)
    with pytest.raises(ValueError, match=f'`data_samples` .* {name}. Found'):
        metric.process({}, [sample])


def test_a_map_without_its_first_dimension(tiny):
    sample = tiny_sample(2, 2, 2, 2)
    fields = sample['pred_panoptic_seg']
    fields['sem_seg'] = fields['sem_seg'][0]
    metric = PanopticQuality(**tiny())
    metric.dataset_meta = dict(classes=CLASSES)
    with pytest.raises(ValueError, match=r'image 0: .*Found \(1, 4\)'):
        metric.process({}, [sample])


def test_resamples_beside_the_value(scene_paths):
    samples = predictions(**scene_paths)
    metric = PanopticQuality(**scene_paths, resamples=50)
    found = evaluate(metric, samples)
    plain = evaluate(PanopticQuality(**scene_paths), samples)
    lists = {k: found.pop(k) for k in list(found) if k not in plain}
    assert found == plain
    assert list(lists) == [
        f'coco_panoptic/PQ{suffix}_resamples' for suffix in ('', '_th', '_st')
    ]
    for key, values in lists.items():
        value = found[key.removesuffix('_resamples')]
        assert [type(v) for v in values] == [float] * 50
        assert min(values) < value < max(values)
        assert np.mean(values) == pytest.approx(value, abs=3)


def test_the_draws_do_not_depend_on_order_and_padding(scene_paths):
    samples = predictions(**scene_paths)
    key = 'coco_panoptic/PQ_resamples'
    metric = PanopticQuality(**scene_paths, resamples=5)
    first = evaluate(metric, samples)[key]
    assert len(set(first)) == 5
    assert evaluate(metric, samples[::-1] + samples[:1])[key] == first


@pytest.mark.parametrize('resamples', [-1, 1.0, True])
def test_a_wrong_number_of_resamples(tiny, resamples):
    with pytest.raises(ValueError, match=f'`resamples` .*Found {resamples}'):
        PanopticQuality(**tiny(), resamples=resamples)


def test_no_images_have_nan_resamples(tiny):
    found = PanopticQuality(**tiny(), resamples=2).evaluate(0)
    assert all(math.isnan(v) for v in found['coco_panoptic/PQ_resamples'])


def test_unknown_classes_of(tiny):
    with pytest.raises(ValueError, match="`classes_of` .*Found 'gt'"):
        PanopticQuality(**tiny(), classes_of='gt')
