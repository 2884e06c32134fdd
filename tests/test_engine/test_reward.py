"""A reward is read from a metric, and an evaluator finds it."""

import gc
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger, print_log
from mmengine.registry import METRICS, MODELS

from mmada.engine.reward import (
    WEIGHTED_SUM,
    RewardEvaluator,
    RewardMetric,
    Score,
    weighted_sum,
)
from tests.support import toy
from tests.test_engine import lives

FOUND = {
    'coco/table': '| a |',
    'coco/PQ_resamples': [10.0, 20.0],
    'coco/classes': [1.0, 2.0],
    'coco/loss': np.float32(0.5),
    'coco/PQ': 40.0,
    'time': 3,
}


def test_a_single_metric_is_read_as_it_is():
    metric = RewardMetric('coco/PQ')
    assert (metric.key, metric.config) == ('coco/PQ', 'coco/PQ')
    score = metric.score(FOUND)
    assert score == Score(
        {'coco/PQ': 40.0, 'coco/loss': 0.5, 'time': 3.0}, 40.0, [10.0, 20.0]
    )
    assert list(score.metrics) == ['coco/PQ', 'coco/loss', 'time']


def test_a_sum_stands_before_its_parts_and_the_others():
    metric = RewardMetric({'coco/PQ': 0.5, 'time': -2})
    assert metric.key == WEIGHTED_SUM
    assert metric.config == {'coco/PQ': 0.5, 'time': -2.0}
    score = metric.score(FOUND)
    assert list(score.metrics.items()) == [
        (WEIGHTED_SUM, 14.0),  # 40 / 2 - 2 * 3
        ('coco/PQ', 40.0),
        ('time', 3.0),
        ('coco/loss', 0.5),
    ]
    assert score.value == 14.0


def test_resamples_of_a_sum_need_those_of_each_part():
    found = {**FOUND, 'time_resamples': [1.0, 3.0]}
    metric = RewardMetric({'coco/PQ': 0.5, 'time': -2})
    assert metric.score(FOUND).resamples is None
    assert metric.score(found).resamples == [3.0, 4.0]
    other = {**found, 'time_resamples': [1.0]}
    assert metric.score(other).resamples is None
    for other in ([], 3.0, np.array([1.0, 3.0])):
        assert metric.score({**found, 'time_resamples': other})[2] is None


@pytest.mark.parametrize('config', ['a', dict(a=1, b=1), dict(a=0, b=1)])
@pytest.mark.parametrize(
    'found', [dict(a=math.nan, b=1), dict(a=math.inf, b=1), dict(b=1)]
)
def test_a_part_that_is_not_finite_or_missing_leaves_no_value(config, found):
    assert RewardMetric(config).score(found).value is None


def test_minus_one_of_coco_is_no_value():
    found = {'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_l': -1.0, 'toy/score': -1.0}
    weights = {'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_l': 0.5}
    metric = RewardMetric(weights)
    score = metric.score(found)
    assert score.value is None
    assert math.isnan(score.metrics['coco/bbox_mAP_l'])
    assert score.metrics['toy/score'] == -1
    assert metric.why_missing(score.metrics) == "'coco/bbox_mAP_l' is nan"
    assert metric.why_missing({}) == (
        "'coco/bbox_mAP' is missing, 'coco/bbox_mAP_l' is missing"
    )
    assert RewardMetric('toy/score').score(found).value == -1


def test_the_order_of_weights_does_not_change_a_bit():
    values, weights = dict(a=1.0, b=1e16, c=-1e16), dict(a=1, b=1, c=1)
    turned = dict(reversed(weights.items()))
    assert weighted_sum(values, weights) == weighted_sum(values, turned)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({}, r'`reward_metric` should be the key of a metric, .*Found \{\}'),
        (3, '`reward_metric` should be the key .*Found 3'),
        (['PQ'], r"`reward_metric` should be the key .*Found \['PQ'\]"),
        (dict(PQ=math.nan), r"\['PQ'\]` should be a finite .*Found nan"),
        (dict(a=1, PQ='1'), r"\['PQ'\]` should be a finite .*Found '1'"),
        (dict(PQ=True), r"\['PQ'\]` should be a finite .*Found True"),
        (dict(a=0, b=0.0), 'should have a weight that is not zero'),
    ],
)
def test_bad_weights_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        RewardMetric(config)


def test_an_unknown_part_lists_the_known_keys():
    with pytest.raises(
        ValueError,
        match="among coco/PQ, coco/loss, time. Found 'PQ'",
    ):
        RewardMetric(dict(time=1, PQ=2)).check(FOUND)
    with pytest.raises(ValueError, match=r'among none \(with `format_only'):
        RewardMetric('PQ').check({})


@METRICS.register_module()
class KindsMetric(BaseMetric):
    """Values of the types that metrics in the wild give."""

    default_prefix = 'kinds'

    def process(self, data_batch, data_samples):
        self.results += [1] * len(data_samples)

    def compute_metrics(self, results):
        return dict(
            count=len(results),
            single=np.float32(1.5),
            double=np.float64(2.5),
            tensor=torch.tensor(3.5),
            array=np.array(4.5),
            table='| a | b |',
            classes=[1.0, 2.0],
            seen=self.dataset_meta['classes'],
        )


def build(metric='toy/score', evaluator=None, **options):
    config = toy.dataloader(**{'offset': 1, 'shuffle': False, **options})
    return RewardEvaluator(
        config, evaluator or dict(type='ToyMetric'), metric, seed=7
    )


@pytest.fixture
def model():
    found = lives.build().model
    for _ in range(3):  # running statistics that differ from a batch's
        found(**lives.batch(0, 1, 2), mode='loss')
    return found


def score(model, count=12):
    """Mean squared error over the reward data, in one batch."""
    data, detector = toy.ToyDataset(12, 1), model.eval()
    with torch.no_grad():
        a = detector.head_a(detector.trunk(data.x[:count]))
    return -float(((a - data.y[:count, :1]) ** 2).mean())


def test_scores_all_data_in_evaluation_mode(model):
    evaluator = build()
    model.train()
    found = evaluator.evaluate(model)
    assert found == {'toy/score': pytest.approx(score(model))}
    assert not model.training
    assert evaluator.evaluate(model) == found


def test_the_last_small_batch_counts_by_its_images(model):
    found = build(size=10).evaluate(model)
    data, detector = toy.ToyDataset(10, 1), model.eval()
    with torch.no_grad():
        a = detector.head_a(detector.trunk(data.x))
    expected = -float(((a - data.y[:, :1]) ** 2).mean())
    assert found['toy/score'] == pytest.approx(expected)


def test_a_check_leaves_nothing_in_the_evaluator(model):
    evaluator, fresh = build(), build()
    evaluator.check(model)
    assert evaluator.evaluate(model) == fresh.evaluate(model)


@METRICS.register_module()
class FilesMetric(toy.ToyMetric):
    """Has a folder that goes with it, as mmdet's CityScapesMetric."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()

    def process(self, data_batch, data_samples):
        super().process(data_batch, data_samples)
        Path(self.folder.name, 'found.txt').write_text('files')

    def __del__(self):
        self.folder.cleanup()


def test_a_check_leaves_the_files_of_a_metric_there(model):
    evaluator = build(evaluator=dict(type='FilesMetric'))
    evaluator.check(model)
    gc.collect()
    assert evaluator.evaluate(model) == build().evaluate(model)


@METRICS.register_module()
class FirstSightMetric(BaseMetric):
    """Takes the images it sees first for all there are, like CocoMetric."""

    default_prefix = 'first'
    images = None

    def process(self, data_batch, data_samples):
        self.results += [1] * len(data_samples)

    def compute_metrics(self, results):
        if self.images is None:
            self.images = len(results)
        return dict(images=self.images)


def test_a_check_is_not_what_a_metric_sees_first(model):
    evaluator = build('first/images', dict(type='FirstSightMetric'))
    evaluator.check(model)
    assert evaluator.evaluate(model) == {'first/images': 12}


@METRICS.register_module()
class WholeMetric(FilesMetric):
    """Wants predictions of all images, as MMDetection3D's KittiMetric."""

    def __init__(self, images):
        super().__init__()
        self.images = images

    def compute_metrics(self, results):
        assert len(results) == self.images, 'invalid number of predictions'
        return super().compute_metrics(results)


def test_a_metric_that_wants_all_images_is_shown_them(model):
    metrics = [dict(type='WholeMetric', images=12), dict(type='KindsMetric')]
    evaluator = build(evaluator=metrics)
    evaluator.check(model)
    gc.collect()
    found = evaluator.evaluate(model)
    assert found['toy/score'] == pytest.approx(score(model))
    assert found['kinds/count'] == 12
    unknown = build('toy/PQ', metrics)
    with pytest.raises(ValueError, match="toy/score. Found 'toy/PQ'"):
        unknown.check(model)


def test_a_metric_that_fails_on_all_images_says_why(model):
    evaluator = build(evaluator=dict(type='WholeMetric', images=13))
    with pytest.raises(AssertionError, match='invalid number of predictions'):
        evaluator.check(model)


def test_the_model_is_left_as_it_is(model):
    before = toy.state_of(model)
    evaluator = build()
    evaluator.check(model)
    evaluator.evaluate(model)
    toy.assert_same_state(before, toy.state_of(model))
    assert all(p.grad is None for p in model.parameters())


@MODELS.register_module()
class WatchfulDetector(toy.ToyDetector):
    """Keeps whether autograd would record its predictions."""

    def forward(self, x, y, mode='tensor'):
        self.recorded = torch.is_grad_enabled()
        return super().forward(x, y, mode)


@pytest.mark.parametrize('method', ['check', 'evaluate'])
def test_no_graph_is_recorded(method):
    model = lives.build(detector='WatchfulDetector').model
    getattr(build(), method)(model)
    assert model.recorded is False


def test_workers_are_seeded():
    assert build().dataloader.worker_init_fn.keywords['seed'] == 7


def test_numbers_of_any_kind_are_kept_as_floats(model):
    evaluator = build('kinds/single', dict(type='KindsMetric'))
    evaluator.check(model)
    found = evaluator.evaluate(model)
    assert found == {
        'kinds/count': 12.0,
        'kinds/single': 1.5,
        'kinds/double': 2.5,
        'kinds/tensor': 3.5,
        'kinds/array': 4.5,
    }
    assert {type(value) for value in found.values()} == {float}


def test_several_metrics_stand_beside_one_another(model):
    both = [dict(type='ToyMetric'), dict(type='KindsMetric')]
    found = build(evaluator=both).evaluate(model)
    assert {'toy/score', 'kinds/count'} <= set(found)


def test_an_unknown_metric_lists_the_known_ones(model):
    with pytest.raises(
        ValueError,
        match="what the evaluator gives, among toy/score. Found 'PQ'",
    ):
        build('PQ').check(model)


def test_a_metric_that_is_no_number_is_refused(model):
    evaluator = build('kinds/table', dict(type='KindsMetric'))
    with pytest.raises(
        ValueError,
        match="among kinds/array, .*'kinds/table', which is no number but a s",
    ):
        evaluator.check(model)


def test_data_without_an_image_are_refused():
    with pytest.raises(
        ValueError, match='dataset` should have at least one image'
    ):
        build(size=0)


@METRICS.register_module()
class ChattyMetric(toy.ToyMetric):
    """Prints and logs, as COCO's."""

    def compute_metrics(self, results):
        print('Average Precision  (AP) = -1.000')
        print_log('Evaluating bbox...', logger='current')
        print_log('Nothing was found.', logger='current', level=30)
        return super().compute_metrics(results)


def test_of_what_a_metric_says_warnings_alone_are_let_through(tmp_path, capfd):
    runner = toy.runner(tmp_path, log_level='INFO')
    evaluator = RewardEvaluator(
        toy.dataloader(offset=1, shuffle=False),
        dict(type='ChattyMetric'),
        'toy/score',
        seed=0,
    )
    level = MMLogger.get_current_instance().level
    evaluator.check(runner.model)
    evaluator.evaluate(runner.model)
    assert MMLogger.get_current_instance().level == level
    said = ''.join(capfd.readouterr())
    said += ''.join(p.read_text() for p in tmp_path.rglob('*.log'))
    assert 'Nothing was found.' in said
    assert 'Average Precision' not in said
    assert 'Evaluating bbox' not in said
