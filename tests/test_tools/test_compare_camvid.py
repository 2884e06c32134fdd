"""The comparison on real images, where they are not drawn."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
from mmengine.config import Config

from mmada.models import build_objectives
from mmada.models.efficientnet_lite import PACKAGE
from tests.support import scripts
from tests.support.tiny_camvid import make_camvid
from tests.test_tools.test_compare import run_here

FEW = dict(train=3, reward=1, test=2, val=1)


@pytest.fixture
def tools():
    names = 'compare', 'jobs', 'methods', 'problems', 'camvid_images'
    return SimpleNamespace(
        **{
            name: scripts.load(f'benchmarks/compare/{name}.py')
            for name in names
        }
    )


@pytest.fixture
def few(tools, tmp_path, monkeypatch):
    """The problem with the four training images of a small CamVid."""
    make_camvid(tmp_path / 'published', (240, 180))
    scripts.load('convert_camvid_panoptic.py').main(
        [str(tmp_path / 'published'), str(tmp_path / 'camvid')]
    )
    monkeypatch.setenv('MMADA_CAMVID', f'{tmp_path / "camvid"}/')
    monkeypatch.setattr(tools.camvid_images, 'NUM', FEW)
    images = tools.camvid_images.CamVidImages(FEW)
    for problem in (tools.problems.CAMVID_DETECTOR, tools.problems.CAMVID):
        problem = problem._replace(images=images, epochs=1, replicas=2)
        for known in (tools.problems.ALL, tools.problems.WITH_COUNTS):
            monkeypatch.setitem(known, problem.name, problem)
    return problem


@pytest.fixture
def compare(tools, few, tmp_path, monkeypatch):
    """Run rows with seed 0 in this process, and return their records."""
    pytest.importorskip(PACKAGE, reason='[camvid] is not installed')
    here = nullcontext(SimpleNamespace(submit=run_here))
    monkeypatch.setattr(
        tools.compare, 'ProcessPoolExecutor', lambda *arguments: here
    )
    monkeypatch.setattr(Config, 'pretty_text', property(repr))

    def compare(problem, *methods):
        arguments = [str(tmp_path / 'w'), '--seeds', '0', '--jobs', '1']
        arguments += ['--problems', problem, '--methods', *methods]
        tools.compare.main(arguments)
        lines = (tmp_path / 'w/results.jsonl').read_text().splitlines()
        records = [json.loads(line) for line in lines]
        assert [record['error'] for record in records] == [''] * len(records)
        return records

    return compare


def test_nothing_is_pretrained(tools):
    problem = tools.problems.CAMVID
    ones = tools.jobs.result_job(problem, tools.methods.METHODS['ones'], 0)
    policy = tools.methods.METHODS['Ada-Segment']
    ours = tools.jobs.jobs_of(problem, policy, 0)
    assert tools.jobs.unit_job(problem).needs == ones.needs == ()
    assert [(job.kind, job.needs) for job in ours] == [
        ('search', ()),
        ('train', (ours[0].key,)),
    ]
    kinds = [j.kind for j in tools.compare.plan([(problem, policy)], [0])]
    assert kinds == ['unit', 'search', 'train']


def test_rewards_are_trained_on_by_no_row(tools, tmp_path):
    cfg = tools.problems.base_config(tools.problems.CAMVID, tmp_path, 0)
    train, reward = cfg.train_dataloader.dataset, cfg.reward_dataloader.dataset
    assert (train.keep, reward.keep) == ('others', 'listed')
    assert train.ids_file == reward.ids_file
    assert train.dataset.ann_file == reward.dataset.ann_file
    assert cfg.test_evaluator.ann_file.endswith('panoptic_test.json')
    assert cfg.test_dataloader.dataset.ann_file.endswith('panoptic_test.json')
    assert 'indices' not in cfg.test_dataloader.dataset
    assert cfg.model.detector.backbone.type == 'EfficientNetLite'
    assert cfg.train_cfg.max_epochs == 8


@pytest.mark.parametrize(
    ('name', 'names'),
    [
        ('camvid', 'cls bbox mask seg rpn'),
        ('camvid, panoptic_fpn', 'cls bbox mask seg rpn'),
        ('camvid, mask_rcnn', 'cls bbox mask rpn'),
    ],
)
def test_kinds_alike_and_a_third_of_the_proposals(
    tools, tmp_path, name, names
):
    method = tools.methods.METHODS[
        'inverse-loss of kinds, region proposals x0.33'
    ]
    cfg = tools.problems.base_config(tools.problems.ALL[name], tmp_path, 0)
    scripts.load('benchmarks/compare/method.py').apply_method(
        method, cfg, None, None
    )
    assert build_objectives(cfg.model.objectives).names == (*names.split(),)
    weighting = cfg.custom_hooks[-1].weighting
    ones = [1] * (len(names.split()) - 1)
    assert weighting.factors == pytest.approx([*ones, 1 / 3])


def test_what_is_tuned_is_told_by_the_validation_images(tools, tmp_path):
    problem = tools.problems.ALL['camvid tuning, lr x2']
    cfg = tools.problems.base_config(problem, tmp_path, 0)
    assert cfg.optim_wrapper.optimizer.lr == 0.002
    assert cfg.test_dataloader.dataset.ann_file.endswith('panoptic_val.json')
    assert cfg.test_evaluator.ann_file.endswith('panoptic_val.json')
    names = [n for n in tools.problems.ALL if n.startswith('camvid tuning')]
    assert {tools.problems.ALL[n].images.scored for n in names} == {'val'}


@pytest.mark.parametrize(
    ('name', 'part', 'folder'),
    [('', 'train', 'train/'), (', validation images', 'val', 'val/')],
)
def test_which_images_score_the_replicas(tools, tmp_path, name, part, folder):
    cfg = tools.problems.base_config(tools.problems.CAMVID, tmp_path, 0)
    search = f'SlopeSearch, equal terms, first half{name}'
    scripts.load('benchmarks/compare/method.py').apply_search(
        tools.methods.SEARCHES[search], tools.problems.CAMVID, cfg
    )
    dataset = cfg.train_cfg.reward_dataloader.dataset
    dataset = dataset.get('dataset', dataset)
    assert dataset.data_prefix.img == folder
    evaluator = cfg.train_cfg.reward_evaluator
    for path in (dataset.ann_file, evaluator.ann_file):
        assert path.endswith(f'annotations/panoptic_{part}.json')
    assert evaluator.seg_prefix.endswith(f'annotations/panoptic_{part}/')
    assert (evaluator.classes_of, evaluator.resamples) == ('ground_truth', 100)
    row = tools.methods.METHODS[search]
    (found, training) = tools.jobs.jobs_of(tools.problems.CAMVID, row, 0)
    assert found.name == search and found.key in training.needs


def test_a_small_form_takes_the_first_images(tools, tmp_path):
    problem = tools.problems.quick(tools.problems.CAMVID)
    assert (problem.pretraining, problem.epochs, problem.replicas) == (0, 2, 2)
    assert problem.key != tools.problems.CAMVID.key
    cfg = tools.problems.base_config(problem, tmp_path, 0)
    assert cfg.train_dataloader.dataset.dataset.indices == 64
    assert cfg.reward_dataloader.dataset.dataset.indices == 24
    assert cfg.test_dataloader.dataset.indices == 32


def test_images_that_are_not_there(tools, tmp_path, monkeypatch):
    monkeypatch.setenv('MMADA_CAMVID', str(tmp_path))
    with pytest.raises(
        ValueError, match=r'`MMADA_CAMVID` should be a folder of CamVid.*Found'
    ):
        tools.problems.prepare_images(tools.problems.CAMVID, tmp_path)


def test_images_of_another_split(tools, few, tmp_path, monkeypatch):
    tools.problems.prepare_images(few, tmp_path)
    monkeypatch.setattr(tools.camvid_images, 'NUM', dict(FEW, reward=2))
    with pytest.raises(ValueError, match=r'with \(3, 1\) images to train on'):
        tools.problems.prepare_images(few, tmp_path)


def test_images_are_shown_from_the_least_gain_to_the_most(tools, tmp_path):
    ious = {'before': [0.5] * 4, 'after': [0.4, 0.9, 0.5, 0.7]}
    for name, values in ious.items():
        counts = np.zeros((4, 1, 4))  # one class, one match an image
        counts[:, 0, 0], counts[:, 0, 1] = values, 1
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / 'test_counts.npz', counts=counts)
    figure = scripts.load('benchmarks/compare/predictions_figure.py')
    folders = [tmp_path / name for name in ious]
    gains = figure.gains_of_images(folders, [3, 4, 5, 9])
    assert gains == pytest.approx({3: -10, 4: 40, 5: 0, 9: 20})
    ranked = sorted(gains, key=gains.__getitem__)
    assert figure.spread(ranked, 2) == [5, 4]
    assert figure.spread(ranked, 9) == [3, 5, 9, 4]


@pytest.mark.slow
def test_rows(compare, tmp_path):
    records = compare('camvid', 'ones', 'PBT')
    unit, ones, search = records
    assert unit['unit']['iterations'] == ones['counts']['iterations'] == 1
    # A look at the model, the pseudo epoch, and two replicas.
    assert search['counts']['iterations'] == 1 + 3
    assert 0 <= search['metrics']['PQ'] <= 100
    assert '| PBT ' in (tmp_path / 'w/table.md').read_text()
    picture = tmp_path / 'predictions.png'
    scripts.load('benchmarks/compare/predictions_figure.py').main(
        [str(tmp_path / 'w'), 'camvid', '--methods', 'ones', 'PBT']
        + ['--out', str(picture)]
    )
    # The one of the two test images with a map, of four columns.
    height, width = matplotlib.image.imread(picture).shape[:2]
    assert 3 < width / height < 4


@pytest.mark.slow
def test_rows_of_a_detector(compare, tmp_path):
    unit, ones, search, slope = compare(
        'camvid, mask_rcnn', 'ones', 'SlopeSearch of kinds +rpn'
    )
    assert unit['unit']['iterations'] == ones['counts']['iterations'] == 1
    for record in (ones, slope):
        folder = tmp_path / 'w/jobs' / record['key']
        for scores, images in (('metrics', 'test'), ('reward', 'reward')):
            assert 0 <= record[scores]['segm_mAP_50'] <= 100
            with np.load(folder / f'{images}_draws.npz') as kept:
                assert kept['draws'].shape == (1000,)
    history = tmp_path / 'w/jobs' / search['key'] / 'exploration/history.jsonl'
    (first, *_) = map(json.loads, history.read_text().splitlines())
    assert 'coco/segm_mAP' in first['metrics'][0]
    table = (tmp_path / 'w/table.md').read_text()
    assert table.startswith('AP50 on the test images')
    assert '| SlopeSearch of kinds +rpn ' in table


def test_problems_of_two_metrics(tools, tmp_path):
    problems = ['camvid', 'camvid, mask_rcnn']
    with pytest.raises(
        ValueError,
        match=r'`--problems` should be problems that are scored by the same '
        r"metric\. Found {'camvid': 'panoptic quality', 'camvid, mask_rcnn'",
    ):
        tools.compare.main([str(tmp_path), '--problems', *problems])
